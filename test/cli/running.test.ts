import t from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { freshDatabase } from '../helpers/database.js'
import { startProcess, untilStatus } from '../helpers/service-process.js'
import { silverback } from './command.js'
import { addExpired, addSession, addUser } from './users.js'

void t.test('stats counts sessions, measures tables, and sums the day', async (t) => {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare: migrateUp })
  const userId = await addUser(pool, 'ada@example.com')
  await addSession(pool, { userId })
  await addSession(pool)
  await addExpired(pool, 3, 600)
  await pool.query("INSERT INTO stats (name, bucket, value) SELECT 'sign_ins', date_bin('5 minutes', now(), 'epoch') - n * interval '1 hour', 10 FROM unnest(ARRAY[0, 20, 30]) AS n")
  const { code, out } = await silverback(t, { DATABASE_URL }, 'stats', '--json')
  t.equal(code, 0)
  const figures = JSON.parse(out) as { cleanup: { oldestSeconds: number }, tables: { name: string, bytes: number }[] }
  t.match(figures, { sessions: { all: 2, ofUsers: 1, blocked: 0 }, cleanup: { rows: 3 }, last24Hours: { sign_ins: 20, refresh_rotate: 0 } })
  t.ok(figures.cleanup.oldestSeconds >= 600 && figures.cleanup.oldestSeconds < 660)
  t.strictSame(figures.tables.map(({ name }) => name), ['sessions', 'refresh_tokens', 'revocations', 'cache_leases', 'users', 'throttle', 'session_events', 'stats'])
  t.ok(figures.tables.every(({ bytes }) => bytes > 0))
  t.match((await silverback(t, { DATABASE_URL }, 'stats')).out, /^live sessions +2, 1 of them signed in, 0 blocked\n.* {2}sign-ins +20 passed, 0 refused.*\nsessions +\d+ .*KiB/s)
})

void t.test('on the embedded database commands work beside the service that runs on it, and by themselves', async (t) => {
  const env = { DATA_DIR: t.testdir() }
  const { url, child, exited } = await startProcess(t, env, 'service/main.js')
  await untilStatus(`${url}/readyz`, 200)
  const begun = await fetch(`${url}/session`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"set":{"colour":"silver"}}' })
  const { id } = await begun.json() as { id: string }
  t.match((await silverback(t, env, 'sessions', 'list')).out, id)
  t.match(await silverback(t, env, 'sessions', 'end', id), { code: 0 })
  t.match(await silverback(t, env, 'doctor'), { code: 0 })
  t.equal((await fetch(`${url}/readyz`)).status, 200, 'the service keeps its database')
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  t.match((await silverback(t, env, 'sessions', 'list')).out, /\n0 sessions\n$/)
  const again = await startProcess(t, env)
  await untilStatus(`${again.url}/readyz`, 200)
  again.child.kill('SIGTERM')
  t.equal(await again.exited, 0)
})

void t.test('serve is the service, and ends with 1 and one line when it cannot start', async (t) => {
  const { connectionString: DATABASE_URL } = await freshDatabase(t)
  const { code, err, out } = await silverback(t, { PORT: 'hunter2' }, 'serve')
  t.equal(code, 1)
  t.match(err, /^silverback cannot start: the configuration is not valid:\n {2}- PORT must be/)
  t.notMatch(err + out, /hunter2|\n\s+at /)
  const { url, child, exited, output } = await startProcess(t, { DATABASE_URL, DATA_DIR: t.testdir() }, 'cli/silverback.js', ['serve'])
  await untilStatus(`${url}/readyz`, 200)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  t.match(output(), 'stopped')
})
