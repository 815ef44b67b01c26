import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { EXAMPLE_ID } from '../../src/cli/terminal.js'
import { freshDatabase } from '../helpers/database.js'
import { silverback } from './command.js'

/** In the order in which they run. */
const NAMES = ['0001_sessions', '0002_tokens', '0003_cache', '0001_users', '0002_operation']
const lines = (label: string): string => NAMES.map((name) => `${label}: ${name}\n`).join('')

const migrate = async (t: Test, env: NodeJS.ProcessEnv, ...args: string[]) => await silverback(t, env, 'migrate', ...args)

void t.test('up, status and down do what they say, with exit codes', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t)
  const command = async (...args: string[]) => await migrate(t, { DATABASE_URL }, ...args)
  const empty = await command('status')
  t.equal(empty.code, 3)
  t.equal(empty.out, lines('pending'))
  t.strictSame(await command(), { code: 0, out: lines('ran'), err: '' })
  t.strictSame(await command('status'), { code: 0, out: 'up to date\n', err: '' })
  t.strictSame(await command('up'), { code: 0, out: 'nothing is pending\n', err: '' })
  t.strictSame((await pool.query('SELECT * FROM sessions CROSS JOIN users')).rows, [], 'P10: nobody can sign in')
  for (const name of ['0002_operation', '0001_users', '0003_cache', '0002_tokens', '0001_sessions']) t.match(await command('down'), { code: 0, out: `taken back: ${name}\n` })
  t.match(await command('down'), { code: 0, out: 'there is nothing to take back\n' })
  t.match(await command('status'), { code: 3 })
})

void t.test('status --json tells the same to programs', async (t) => {
  const { connectionString: DATABASE_URL } = await freshDatabase(t)
  const { code, out } = await migrate(t, { DATABASE_URL }, 'status', '--json')
  t.equal(code, 3)
  t.match(JSON.parse(out), { pending: NAMES, newer: [], missing: /./ })
})

void t.test('DATABASE_MIGRATION_URL comes before DATABASE_URL', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const env = { DATABASE_URL: 'postgres://app:hunter2@localhost:1/x', DATABASE_MIGRATION_URL: connectionString }
  t.match(await migrate(t, env, 'up'), { code: 0 })
})

void t.test('without a database it works on the embedded one', async (t) => {
  const env = { DATA_DIR: t.testdir() }
  t.strictSame(await migrate(t, env, 'up'), { code: 0, out: lines('ran'), err: '' })
  t.match(await migrate(t, env, 'status'), { code: 0 })
})

void t.test('where there is no database yet, status says that all is pending, and nothing but up makes one', async (t) => {
  const DATA_DIR = join(t.testdir(), 'data')
  const status = await migrate(t, { DATA_DIR }, 'status')
  t.strictSame([status.code, status.out], [3, lines('pending')])
  t.match(status.err, /^silverback: there is no database yet in .*data: .*\n$/)
  const { code, out } = await migrate(t, { DATA_DIR }, 'status', '--json')
  t.equal(code, 3)
  t.match(JSON.parse(out), { pending: NAMES, newer: [] })
  t.match(await migrate(t, { DATA_DIR }, 'down'), { code: 1, out: '', err: /there is no database yet/ })
  for (const args of [['stats'], ['sessions', 'list'], ['sessions', 'show', EXAMPLE_ID], ['users', 'promote', 'ada@example.com'], ['cleanup']]) {
    t.match(await silverback(t, { DATA_DIR }, ...args), { code: 1, out: '', err: /^silverback: there is no database yet in .*silverback migrate.*DATABASE_URL\n$/ }, args.join(' '))
  }
  t.notOk(existsSync(DATA_DIR))
})

void t.test('what goes wrong is one line, without secrets', async (t) => {
  for (const [env, args, code, message] of [
    [{ DATABASE_URL: 'postgres://app:hunter2@localhost:1/x' }, ['up'], 1, 'ECONNREFUSED'],
    [{ DATABASE_URL: 'postgres://app:hunter2@localhost:1/x' }, ['status'], 1, 'ECONNREFUSED'],
    [{ DATABASE_URL: 'mysql://app:hunter2@localhost/x' }, ['up'], 1, 'DATABASE_URL'],
    [{ NODE_ENV: 'production' }, ['up'], 1, 'DATABASE_URL is required'],
    [{}, ['sideways'], 2, 'up, down, status'],
    [{}, ['up', 'down'], 2, 'too many arguments']
  ] as const) {
    const ended = await migrate(t, env, ...args)
    t.equal(ended.code, code, args.join(' '))
    t.match(ended.err, message)
    t.equal(ended.out, '')
    t.notMatch(ended.err, /hunter2|\n\s+at /)
  }
})

void t.test('a right that is missing is one line, which says where rights are given', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const role = `migrator_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM public`)
  t.teardown(async () => { await pool.query(`DROP ROLE ${role}`) })
  const DATABASE_URL = Object.assign(new URL(connectionString), { username: role, password: 'x' }).href
  const { code, err } = await migrate(t, { DATABASE_URL }, 'up')
  t.equal(code, 1)
  t.match(err, /^silverback: .*permission denied.*\(see docs\/grants\.sql\)\n$/)
})
