import t from 'tap'
import { freshDatabase } from '../helpers/database.js'
import { runToEnd } from '../helpers/service-process.js'

const COMMAND = 'cli/migrate.js'

void t.test('up, status and down do what they say, with exit codes', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t)
  const command = async (...args: string[]) => await runToEnd(t, { DATABASE_URL }, COMMAND, args)
  t.match(await command('status'), { code: 3, output: /^pending: 0001_sessions\npending: 0002_tokens\npending: 0001_users$/m })
  t.match(await command(), { code: 0, output: /^ran: 0001_sessions\nran: 0002_tokens\nran: 0001_users$/m })
  t.match(await command('status'), { code: 0, output: 'up to date\n' })
  t.match(await command('up'), { code: 0, output: 'nothing is pending\n' })
  t.strictSame((await pool.query('SELECT * FROM sessions CROSS JOIN users')).rows, [], 'P10: nobody can sign in')
  for (const name of ['0001_users', '0002_tokens', '0001_sessions']) t.match(await command('down'), { code: 0, output: `taken back: ${name}\n` })
  t.match(await command('down'), { code: 0, output: 'there is nothing to take back\n' })
  t.match(await command('status'), { code: 3 })
})

void t.test('DATABASE_MIGRATION_URL comes before DATABASE_URL', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const env = { DATABASE_URL: 'postgres://app:hunter2@localhost:1/x', DATABASE_MIGRATION_URL: connectionString }
  t.match(await runToEnd(t, env, COMMAND, ['up']), { code: 0 })
})

void t.test('without a database it works on the embedded one', async (t) => {
  const env = { DATA_DIR: t.testdir() }
  t.match(await runToEnd(t, env, COMMAND, ['up']), { code: 0, output: /^ran: 0001_sessions\nran: 0002_tokens\nran: 0001_users$/m })
  t.match(await runToEnd(t, env, COMMAND, ['status']), { code: 0 })
})

void t.test('what goes wrong is one line, without secrets', async (t) => {
  for (const [env, args, code, message] of [
    [{ DATABASE_URL: 'postgres://app:hunter2@localhost:1/x' }, ['up'], 1, 'ECONNREFUSED'],
    [{ DATABASE_URL: 'postgres://app:hunter2@localhost:1/x' }, ['status'], 1, 'ECONNREFUSED'],
    [{ DATABASE_URL: 'mysql://app:hunter2@localhost/x' }, ['up'], 1, 'DATABASE_URL'],
    [{ NODE_ENV: 'production' }, ['up'], 1, 'DATABASE_URL is required'],
    [{}, ['sideways'], 2, 'usage:'],
    [{}, ['up', 'down'], 2, 'usage:']
  ] as const) {
    const ended = await runToEnd(t, env, COMMAND, args)
    t.equal(ended.code, code, args.join(' '))
    t.match(ended.output, message)
    t.notMatch(ended.output, /hunter2|\n\s+at /)
  }
})

void t.test('a right that is missing is one line, which says where rights are given', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const role = `migrator_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM public`)
  t.teardown(async () => { await pool.query(`DROP ROLE ${role}`) })
  const DATABASE_URL = Object.assign(new URL(connectionString), { username: role, password: 'x' }).href
  const { code, output } = await runToEnd(t, { DATABASE_URL }, COMMAND, ['up'])
  t.equal(code, 1)
  t.match(output, /^migrate: .*permission denied.*\(see docs\/grants\.sql\)\n$/)
})
