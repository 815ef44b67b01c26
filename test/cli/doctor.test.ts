import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { diagnose } from '../../src/service/doctor/doctor.js'
import { CHECKS } from '../../src/service/doctor/finding.js'
import type { CheckName, Finding } from '../../src/service/doctor/finding.js'
import { freshDatabase } from '../helpers/database.js'
import type { FreshDatabase } from '../helpers/database.js'
import { moveClock } from '../helpers/moved-clock.js'
import { hasPgbouncer, openPgbouncer } from '../helpers/pgbouncer.js'
import { silverback } from './command.js'
import { addExpired, addSession } from './users.js'

const prepare = migrateUp
const newKey = (): string => randomBytes(32).toString('base64url')
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** What the service needs, and a proxy whose word counts. */
const SOUND = { SESSION_AUTH_KEYS: newKey(), TOKEN_SIGNING_KEYS: pem, TOKEN_REFRESH_KEYS: newKey(), TRUST_PROXY: '10.0.0.0/8' }
const PRODUCTION = { ...SOUND, NODE_ENV: 'production', TOKEN_ISSUER: 'https://id.example.com', TOKEN_AUDIENCE: 'api' }

/** A fault names its check, what is wrong, and what to do. */
interface Expected { readonly check: CheckName, readonly outcome: 'warning' | 'fault', readonly message: RegExp, readonly remedy: RegExp }

/** Looks, and sees that this is found and nothing else is. */
async function finds (t: Test, env: NodeJS.ProcessEnv, expected: Expected): Promise<readonly Finding[]> {
  const findings = await diagnose({ env })
  const wrong = findings.filter(({ outcome }) => outcome !== 'ok')
  t.match(wrong[0], expected)
  t.ok(wrong.every(({ check }) => check === expected.check), JSON.stringify(wrong))
  t.notMatch(JSON.stringify(findings), /hunter2/)
  return wrong
}

/** Migrated. */
const healthy = async (t: Test): Promise<FreshDatabase & { readonly env: NodeJS.ProcessEnv }> => {
  const database = await freshDatabase(t, { prepare })
  return { ...database, env: { ...SOUND, DATABASE_URL: database.connectionString } }
}

void t.test('nothing is found where nothing is wrong', async (t) => {
  const { env } = await healthy(t)
  const findings = await diagnose({ env })
  t.strictSame(findings.filter(({ outcome }) => outcome !== 'ok'), [])
  t.strictSame([...new Set(findings.map(({ check }) => check))],
    ['configuration', 'keys', 'cookies', 'tls', 'database', 'migrations', 'rights', 'clock', 'durability', 'indexes', 'triggers', 'cleanup', 'hot', 'feed'])
})

void t.test('the command prints the findings and ends with 3 when one is a fault', async (t) => {
  const { env, pool } = await healthy(t)
  t.match(await silverback(t, env, 'doctor'), { code: 0, out: /^ok +database +the database answers$.*^0 faults, 0 warnings, 14 ok\n$/ms })
  await pool.query("INSERT INTO silverback_migrations (name, run_on) VALUES ('9999_future', now())")
  t.match(await silverback(t, env, 'doctor'), { code: 3, out: /^fault +migrations +.*9999_future\n +-> .*version.*\n/m })
  const { code, out } = await silverback(t, env, 'doctor', '--json')
  t.equal(code, 3)
  const { sound, findings } = JSON.parse(out) as { sound: boolean, findings: Finding[] }
  t.equal(sound, false)
  for (const finding of findings) t.strictSame(Object.keys(finding), ['check', 'outcome', 'message', 'remedy'])
})

void t.test('keys that are weak', async (t) => {
  const { env } = await healthy(t)
  await finds(t, { ...env, SESSION_AUTH_KEYS: 'hunter2'.repeat(10) }, { check: 'keys', outcome: 'fault', message: /SESSION_AUTH_KEYS/, remedy: /silverback keys generate/ })
})

void t.test('a key that serves two purposes', async (t) => {
  const { env } = await healthy(t)
  for (const name of ['TOKEN_REFRESH_KEYS', 'SESSION_ENCRYPTION_KEYS'] as const) {
    await finds(t, { ...env, [name]: SOUND.SESSION_AUTH_KEYS }, { check: 'keys', outcome: 'fault', message: /SESSION_AUTH_KEYS.*share a key|share a key/, remedy: /one purpose/ })
  }
})

void t.test('a configuration with which the service would not start', async (t) => {
  const { env } = await healthy(t)
  await finds(t, { ...env, PORT: 'hunter2' }, { check: 'configuration', outcome: 'fault', message: /^PORT must be/, remedy: /\.env\.example/ })
})

void t.test('a Secure cookie behind a proxy whose word does not count', async (t) => {
  const { env } = await healthy(t)
  const { TRUST_PROXY: _, ...without } = env
  const expected = { check: 'cookies', message: /Secure and TRUST_PROXY is off/, remedy: /set TRUST_PROXY.*X-Forwarded-Proto/ } as const
  await finds(t, { ...without, HOST: '0.0.0.0' }, { ...expected, outcome: 'fault' })
  await finds(t, { ...without, SESSION_SECURE: 'on' }, { ...expected, outcome: 'warning' })
  const production = await diagnose({ env: { ...PRODUCTION, DATABASE_URL: env['DATABASE_URL'], TRUST_PROXY: 'off' } })
  t.match(production.find(({ check }) => check === 'cookies'), { ...expected, outcome: 'fault' })
})

void t.test('a cookie that is not Secure on a host that others reach', async (t) => {
  const { env } = await healthy(t)
  await finds(t, { ...env, HOST: '0.0.0.0', SESSION_SECURE: 'off' }, { check: 'cookies', outcome: 'fault', message: /not Secure.*0\.0\.0\.0/, remedy: /SESSION_SECURE=on/ })
})

void t.test('a way to the database that others can read', async (t) => {
  const DATABASE_URL = 'postgres://app:hunter2@db.invalid/x'
  const findings = await diagnose({ env: { ...SOUND, DATABASE_URL } })
  t.match(findings.find(({ check }) => check === 'tls'), { outcome: 'warning', message: /DATABASE_URL leads to another host without TLS/, remedy: /sslmode=verify-full/ })
  const production = await diagnose({ env: { ...PRODUCTION, DATABASE_URL } })
  t.match(production.find(({ outcome }) => outcome === 'fault'), { message: /DATABASE_URL leads to another host without TLS/ }, 'in production the service would not start')
  t.notMatch(JSON.stringify([findings, production]), /hunter2/)
})

void t.test('a database that does not answer, refuses the login, or is not there', async (t) => {
  const { connectionString, env } = await healthy(t)
  for (const [url, message, remedy] of [
    ['postgres://app:hunter2@127.0.0.1:1/x', /does not answer \(ECONNREFUSED\)/, /host and port/],
    [Object.assign(new URL(connectionString), { password: 'hunter2' }).href, /refuses the login/, /password/],
    [Object.assign(new URL(connectionString), { pathname: '/nowhere' }).href, /does not exist/, /create it/]
  ] as const) {
    await finds(t, { ...env, DATABASE_URL: url }, { check: 'database', outcome: 'fault', message, remedy })
  }
})

void t.test('a database that nobody has made yet, and the doctor makes none', async (t) => {
  const DATA_DIR = join(t.testdir(), 'data')
  await finds(t, { ...SOUND, DATA_DIR }, { check: 'database', outcome: 'fault', message: /there is no database yet in .*data$/, remedy: /silverback serve.*silverback migrate.*DATABASE_URL/ })
  t.notOk(existsSync(DATA_DIR))
})

void t.test('the help names every check, with what it looks at', async (t) => {
  const { out } = await silverback(t, {}, 'doctor', '--help')
  for (const [name, what] of Object.entries(CHECKS)) t.match(out, new RegExp(`^ {2}${name} +${what.replace(/[().]/g, '\\$&')}$`, 'm'), name)
})

void t.test('migrations that are pending, and one that is newer', async (t) => {
  const empty = await freshDatabase(t)
  const wrong = await finds(t, { ...SOUND, DATABASE_URL: empty.connectionString }, { check: 'migrations', outcome: 'fault', message: /0001_sessions is pending/, remedy: /npm run migrate/ })
  t.equal(wrong.length, 5, 'one for each')
  const { env, pool } = await healthy(t)
  await pool.query("INSERT INTO silverback_migrations (name, run_on) VALUES ('9999_future', now())")
  await finds(t, env, { check: 'migrations', outcome: 'fault', message: /newer.*9999_future/, remedy: /deploy the version/ })
})

void t.test('a column and a table that are gone', async (t) => {
  const { env, pool } = await healthy(t)
  await pool.query('ALTER TABLE sessions RENAME user_agent TO agent')
  await finds(t, env, { check: 'migrations', outcome: 'fault', message: /sessions\.user_agent is missing/, remedy: /restore/ })
  await pool.query('DROP TABLE throttle')
  const wrong = (await diagnose({ env })).filter(({ outcome }) => outcome === 'fault')
  t.match(wrong, [{ check: 'migrations', message: /table throttle is missing/, remedy: /restore it/ }])
})

void t.test('an index that is gone', async (t) => {
  const { env, pool } = await healthy(t)
  await pool.query('DROP INDEX sessions_user_id_idx')
  await finds(t, env, { check: 'indexes', outcome: 'warning', message: /sessions \(user_id\)/, remedy: /CREATE INDEX CONCURRENTLY/ })
})

void t.test('triggers that are gone, or that a restore has left disabled', async (t) => {
  const { env, pool } = await healthy(t)
  await pool.query('DROP TRIGGER sessions_event_began ON sessions')
  await finds(t, env, { check: 'triggers', outcome: 'fault', message: /sessions_event_began/, remedy: /ENABLE TRIGGER.*migrations\// })
  await pool.query('ALTER TABLE sessions DISABLE TRIGGER ALL')
  await finds(t, env, { check: 'triggers', outcome: 'fault', message: /sessions_revoke_deleted.*what was ended/, remedy: /ENABLE TRIGGER/ })
})

void t.test('clocks that are apart', async (t) => {
  const { env, connectionString } = await healthy(t)
  const clock = await moveClock(t, connectionString)
  await clock.advance(45)
  await finds(t, env, { check: 'clock', outcome: 'warning', message: /4[45] seconds apart/, remedy: /NTP/ })
  await clock.advance(45)
  await finds(t, env, { check: 'clock', outcome: 'fault', message: /(?:89|90) seconds apart/, remedy: /NTP/ })
})

void t.test('synchronous_commit that is off', async (t) => {
  const { env, pool, connectionString } = await healthy(t)
  await pool.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} SET synchronous_commit = off`)
  await finds(t, env, { check: 'durability', outcome: 'warning', message: /synchronous_commit is off/, remedy: /ALTER ROLE/ })
})

void t.test('rights that are missing', async (t) => {
  const { env, pool, connectionString } = await healthy(t)
  const role = `app_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}; REVOKE DELETE ON sessions FROM ${role}`)
  t.teardown(async () => { await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`) })
  const DATABASE_URL = Object.assign(new URL(connectionString), { username: role, password: 'x' }).href
  await finds(t, { ...env, DATABASE_URL }, { check: 'rights', outcome: 'fault', message: /may not DELETE on sessions/, remedy: /docs\/grants\.sql/ })
})

void t.test('cleanup that is behind', async (t) => {
  const { env, pool } = await healthy(t)
  await addExpired(pool, 3, 1_700)
  t.notOk((await diagnose({ env })).some(({ outcome }) => outcome !== 'ok'), 'within twice the interval of 900 seconds')
  await addExpired(pool, 2, 7_200)
  await finds(t, env, { check: 'cleanup', outcome: 'warning', message: /5 rows have expired, the oldest 120 minutes ago.*at most 30/, remedy: /silverback cleanup/ })
  t.notOk((await diagnose({ env: { ...env, SESSION_CLEANUP_INTERVAL: '7200' } })).some(({ outcome }) => outcome !== 'ok'))
  await addExpired(pool, 1, 200_000)
  await finds(t, { ...env, SESSION_CLEANUP_INTERVAL: '0' }, { check: 'cleanup', outcome: 'warning', message: /cleanup is behind/, remedy: /once a day/ })
})

void t.test('updates that touch an index', async (t) => {
  const { env, pool } = await healthy(t)
  await addSession(pool)
  await pool.query('CREATE INDEX of_somebody ON sessions (last_seen_at)')
  const client = await pool.connect()
  for (let n = 0; n < 1_000; n++) await client.query('UPDATE sessions SET last_seen_at = clock_timestamp()')
  await client.query('SELECT pg_stat_force_next_flush()')
  client.release()
  await finds(t, env, { check: 'hot', outcome: 'warning', message: /of 1000 updates of sessions only 0\.0 %.*HOT/, remedy: /drop indexes/ })
})

void t.test('a direct connection that leads to another database, where no news arrives', async (t) => {
  const { env } = await healthy(t)
  const { connectionString: DATABASE_DIRECT_URL } = await freshDatabase(t)
  await finds(t, { ...env, DATABASE_DIRECT_URL }, { check: 'feed', outcome: 'fault', message: /did not arrive within 3 seconds/, remedy: /DATABASE_DIRECT_URL must lead to the same database/ })
  await finds(t, { ...env, DATABASE_DIRECT_URL: 'postgres://app:hunter2@127.0.0.1:1/x' }, { check: 'feed', outcome: 'fault', message: /LISTEN cannot be opened \(ECONNREFUSED\)/, remedy: /DATABASE_DIRECT_URL/ })
})

if (hasPgbouncer) {
  void t.test('a pooler that nobody has told of, and a direct connection that leads through it', async (t) => {
    const { env, connectionString } = await healthy(t)
    const DATABASE_URL = await openPgbouncer(t, connectionString)
    const remedy = /DATABASE_DIRECT_URL.*DATABASE_POOLER=transaction/
    await finds(t, { ...env, DATABASE_URL }, { check: 'database', outcome: 'fault', message: /leads through a pooler/, remedy })
    await finds(t, { ...env, DATABASE_URL, DATABASE_DIRECT_URL: DATABASE_URL, DATABASE_POOLER: 'transaction' }, { check: 'feed', outcome: 'fault', message: /LISTEN leads through a pooler/, remedy })
    t.strictSame((await diagnose({ env: { ...env, DATABASE_URL, DATABASE_DIRECT_URL: connectionString, DATABASE_POOLER: 'transaction' } })).filter(({ outcome }) => outcome !== 'ok'), [])
  })
}
