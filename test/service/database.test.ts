import pg from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { watchDatabase } from '../../src/service/database.js'
import type { Readiness, ReadinessOptions } from '../../src/service/database.js'
import { judge } from '../../src/service/database/health.js'
import { migrateUp } from '../../src/service/database/migrations.js'
import { freshDatabase } from '../helpers/database.js'
import type { FreshDatabase } from '../helpers/database.js'
import { openFaultProxy } from '../helpers/fault-proxy.js'

const MIGRATED = { pending: [], newer: [], missing: [] }
const USABLE = { absent: [], mayEnter: true, denied: [], unindexed: [], untriggered: [], unwitnessed: [], isStandby: false, isReadOnly: false, forgets: false }

const prepare = migrateUp

interface Watched { readonly readiness: Readiness, readonly told: readonly string[] }

/** Closed after the test. */
function watch (t: Test, connectionString: string, options: Partial<ReadinessOptions> = {}): Watched {
  const told: string[] = []
  const log = { info (line: string) { told.push(line) }, warn (_: object, line: string) { told.push(line) }, error (_: object, line: string) { told.push(line) } }
  const readiness = watchDatabase({ connectionString, migrationConnectionString: connectionString, migrateOnStart: true, pooler: undefined, log, ...options })
  t.teardown(async () => { await readiness.close() })
  return { readiness, told }
}

/** The same once the first looks are over: a check made during one shares it, and would not see what the test does next. */
async function watchReady (t: Test, connectionString: string): Promise<Watched> {
  const watched = watch(t, connectionString)
  await until(() => watched.readiness.isReady)
  return watched
}

/** Looks again until it is true; the test's own timeout ends it. */
async function until (isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isTrue()) await new Promise((resolve) => { setTimeout(resolve, 10) })
}

void t.test('an empty database is migrated, and then ready', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const { readiness, told } = watch(t, connectionString)
  t.equal(readiness.isReady, false)
  await until(() => readiness.isReady)
  t.strictSame((await pool.query('SELECT * FROM sessions')).rows, [])
  t.strictSame(await readiness.check(), { reasons: [], warnings: [] })
  t.match(told, [/^migrated: 0001_sessions, 0002_tokens, 0003_cache, 0001_users, 0002_operation$/, 'the database is ready'])
})

void t.test('of five services that start at once on an empty database all become ready', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const five = Array.from({ length: 5 }, () => watch(t, connectionString))
  await Promise.all(five.map(async ({ readiness }) => { await until(() => readiness.isReady) }))
  const lines = five.flatMap(({ told }) => told)
  const ran = lines.filter((line) => line.startsWith('migrated: ')).flatMap((line) => line.slice('migrated: '.length).split(', '))
  t.strictSame(ran.sort(), ['0001_sessions', '0001_users', '0002_operation', '0002_tokens', '0003_cache'], 'and each migration is run by one of them')
  t.strictSame(lines.filter((line) => line.startsWith('not ready')), [], 'and nobody cries')
})

void t.test('3B-18: without the right to migrate, what is pending is named and waited for', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const { readiness, told } = watch(t, connectionString, { migrateOnStart: false })
  await until(() => told.length > 0)
  t.strictSame((await readiness.check()).reasons, ['0001_sessions', '0002_tokens', '0003_cache', '0001_users', '0002_operation']
    .map((name) => `the migration ${name} is pending: run \`npm run migrate\`, or set MIGRATE_ON_START=on`))
  t.equal(readiness.isReady, false)
  await migrateUp(connectionString)
  await until(() => readiness.isReady)
  t.strictSame(told, [...new Set(told)], 'each state is told once')
  t.equal(told.at(-1), 'the database is ready')
})

void t.test('3B-18: a column that is taken away, and a migration undone, show in the next check', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const { readiness } = watch(t, connectionString)
  await until(() => readiness.isReady)
  await pool.query('ALTER TABLE sessions RENAME user_agent TO agent; ALTER TABLE sessions RENAME "values" TO data')
  t.strictSame((await readiness.check()).reasons, ['the column sessions.values is missing', 'the column sessions.user_agent is missing'])
  t.equal(readiness.isReady, true, 'what needs no such column goes on')
})

void t.test('B14: a service does not start on a database that is newer; one that runs goes on', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  const running = watch(t, connectionString)
  await until(() => running.readiness.isReady)
  await pool.query("INSERT INTO silverback_migrations (name, run_on) VALUES ('9999_future', now())")
  const { readiness, told } = watch(t, connectionString)
  await until(() => told.length > 0)
  t.match((await readiness.check()).reasons, [/newer.*9999_future/])
  t.equal(readiness.isReady, false)
  t.match(await running.readiness.check(), { reasons: [], warnings: [/newer.*9999_future/] })
})

/** A role of its own with these grants on the tables; dropped after the test. */
async function roleWith (t: Test, { connectionString, pool }: FreshDatabase, grants: (role: string) => string): Promise<string> {
  const role = `app_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; ${grants(role)}`)
  t.teardown(async () => {
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await client.end()
  })
  return Object.assign(new URL(connectionString), { username: role, password: 'x' }).href
}

const ROWS = 'SELECT, INSERT, UPDATE, DELETE'
const grantAll = (role: string): string => `GRANT ${ROWS} ON ALL TABLES IN SCHEMA public TO ${role}`

void t.test('A08: a role without rights on anything but the rows is enough, where nothing is pending', async (t) => {
  const url = await roleWith(t, await freshDatabase(t, { prepare }), grantAll)
  const { readiness } = watch(t, url)
  await until(() => readiness.isReady)
  t.strictSame(await readiness.check(), { reasons: [], warnings: [] })
  await readiness.close()
})

void t.test('a role that lacks a right on the rows of any table is not ready, and the reason names table and right', async (t) => {
  for (const [title, grants, reason] of [
    ['no grant on sessions', (role: string) => `${grantAll(role)}; REVOKE ALL ON sessions FROM ${role}`, 'the role may not SELECT, INSERT, UPDATE, DELETE on sessions: see docs/grants.sql'],
    ['reading users alone', (role: string) => `${grantAll(role)}; REVOKE INSERT, UPDATE, DELETE ON users FROM ${role}`, 'the role may not INSERT, UPDATE on users: see docs/grants.sql'],
    ['no rotation', (role: string) => `${grantAll(role)}; REVOKE UPDATE ON refresh_tokens FROM ${role}`, 'the role may not UPDATE on refresh_tokens: see docs/grants.sql'],
    ['no counting', (role: string) => `${grantAll(role)}; REVOKE INSERT ON throttle FROM ${role}`, 'the role may not INSERT on throttle: see docs/grants.sql'],
    ['no way in', (role: string) => `REVOKE USAGE ON SCHEMA public FROM public; ${grantAll(role)}`, 'the role may not use the schema public: see docs/grants.sql'],
    ['no writing', (role: string) => `${grantAll(role)}; ALTER ROLE ${role} SET default_transaction_read_only = on`, 'the database takes no writes from this role: default_transaction_read_only is on']
  ] as const) {
    await t.test(title, async (t) => {
      const { readiness } = watch(t, await roleWith(t, await freshDatabase(t, { prepare }), grants))
      t.strictSame(await readiness.check(), { reasons: [reason], warnings: [] })
      t.equal(readiness.isReady, false)
      await readiness.close()
    })
  }
})

void t.test('a standby is no place for sessions', async (t) => {
  const { reasons } = judge({ migrations: MIGRATED, access: { ...USABLE, isStandby: true, isReadOnly: true }, skewMs: 0 }, true)
  t.strictSame(reasons, ['the database is a standby, which takes no writes: DATABASE_URL must lead to the primary'])
})

void t.test('a table that is gone is one reason, which says what to do', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  await pool.query('DROP TABLE sessions CASCADE')
  const { readiness } = watch(t, connectionString)
  t.match((await readiness.check()).reasons, [/^the table sessions is missing.*npm run migrate/])
  t.equal((await readiness.check()).reasons.length, 1)
  await pool.query('DROP TABLE users')
  await until(async () => (await readiness.check()).reasons.length === 2) // an attempt to become ready may have looked before
  t.match((await readiness.check()).reasons, [/^the table sessions is missing/, /^the table users is missing/])
})

void t.test('B15: a database that forgets what it acknowledged is told', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  await pool.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} SET synchronous_commit = off`)
  const { readiness } = watch(t, connectionString)
  t.match(await readiness.check(), { reasons: [], warnings: [/synchronous_commit is off/] })
})

void t.test('B14: indexes that are gone are told, by their column', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  await pool.query('DROP INDEX sessions_user_id_idx, sessions_expiry_bucket_idx; ALTER TABLE sessions DROP CONSTRAINT sessions_pkey CASCADE')
  const { readiness } = watch(t, connectionString)
  t.match(await readiness.check(), { reasons: [], warnings: [/index.*sessions \(id\)/, /index.*sessions \(user_id\)/, /index.*sessions \(expiry_bucket\)/] })
})

void t.test('every index that the migrations make is looked for, and one that is invalid is none', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  const { readiness } = await watchReady(t, connectionString)
  const { rows } = await pool.query<{ name: string }>("SELECT i.indexrelid::regclass::text AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'silverback%'")
  t.ok(rows.length > 10)
  for (const { name } of rows) {
    await pool.query('UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::regclass', [name])
    t.match((await readiness.check()).warnings, [/^no index begins with/], name)
    await pool.query('UPDATE pg_index SET indisvalid = true WHERE indexrelid = $1::regclass', [name])
  }
  t.strictSame(await readiness.check(), { reasons: [], warnings: [] })
})

void t.test('attack: while triggers are off that tell of ends, nothing is revoked: the service is not ready, and names them', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  const { readiness } = await watchReady(t, connectionString)
  await pool.query('ALTER TABLE sessions DISABLE TRIGGER USER')
  t.match(await readiness.check(), { reasons: [/^the triggers sessions_expiry_bucket_insert, .*sessions_revoke_deleted.* of sessions are missing or disabled/], warnings: [/^the triggers sessions_event_began.* of sessions are missing or disabled/] })
  await pool.query('ALTER TABLE sessions ENABLE TRIGGER USER')
  t.strictSame(await readiness.check(), { reasons: [], warnings: [] })
  await pool.query('DROP TRIGGER sessions_event_began ON sessions')
  t.match(await readiness.check(), { reasons: [], warnings: [/^the trigger sessions_event_began of sessions is missing or disabled/] })
})

void t.test('every trigger that the migrations make is looked for', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare })
  const { readiness } = await watchReady(t, connectionString)
  const { rows } = await pool.query<{ name: string, of: string }>('SELECT tgname AS name, tgrelid::regclass::text AS of FROM pg_trigger WHERE NOT tgisinternal')
  t.ok(rows.length > 15)
  for (const { name, of } of rows) {
    await pool.query(`ALTER TABLE ${of} DISABLE TRIGGER ${name}`)
    const { reasons, warnings } = await readiness.check()
    t.match([...reasons, ...warnings], [new RegExp(`^the trigger ${name} of ${of} is missing or disabled`)], name)
    t.equal(reasons.length, /event/.test(name) ? 0 : 1, name)
    await pool.query(`ALTER TABLE ${of} ENABLE TRIGGER ${name}`)
  }
})

void t.test('migrations that cannot be run where none is pending are a warning', async (t) => {
  const { connectionString } = await freshDatabase(t, { prepare })
  const { readiness, told } = watch(t, connectionString, { migrationConnectionString: Object.assign(new URL(connectionString), { password: 'hunter2' }).href })
  await until(() => readiness.isReady)
  t.strictSame(told, ['the migrations could not be run'])
  t.strictSame(await readiness.check(), { reasons: [], warnings: [] })
})

void t.test('migrations that cannot be run and are pending are a reason', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const { readiness, told } = watch(t, connectionString, { migrationConnectionString: Object.assign(new URL(connectionString), { password: 'hunter2' }).href })
  await until(() => told.length > 0)
  t.match(told[0], /^not ready: the migrations could not be run; the migration 0001_sessions is pending/)
  t.equal(readiness.isReady, false)
})

void t.test('a login that is refused, and a database that is not there, are told apart and waited for', async (t) => {
  const { connectionString } = await freshDatabase(t)
  for (const [part, value, reason] of [
    ['password', 'hunter2', 'the database refuses the login'], ['pathname', '/nowhere', 'the database does not exist'], ['port', '1', 'the database does not answer']
  ] as const) {
    const url = new URL(connectionString)
    url[part] = value
    const { readiness, told } = watch(t, url.href)
    await until(() => told.length > 0)
    t.match(told[0], reason)
    t.strictSame((await readiness.check()).reasons, [reason])
    t.notMatch(told.join(), 'hunter2')
    await readiness.close()
  }
})

void t.test('a database that freezes fails the check in time, and heals by itself', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const proxy = await openFaultProxy(t, connectionString)
  const { readiness, told } = watch(t, proxy.connectionString)
  await until(() => readiness.isReady)
  proxy.freeze()
  const startedAt = performance.now()
  const [a, b] = await Promise.all([readiness.check(), readiness.check()])
  t.ok(performance.now() - startedAt < 4_000)
  t.strictSame([a.reasons, b.reasons], [['the database does not answer'], ['the database does not answer']])
  proxy.thaw()
  await until(async () => (await readiness.check()).reasons.length === 0)
  t.strictSame(told.slice(1), ['the database is ready', 'not ready: the database does not answer', 'the database is ready'])
})

void t.test('V70: a connection of the checks that is cut ends nothing', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const { readiness } = watch(t, connectionString)
  await until(() => readiness.isReady)
  for (let i = 0; i < 10; i++) {
    await readiness.check()
    await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback'")
  }
  await until(async () => (await readiness.check()).reasons.length === 0)
  t.equal(readiness.isReady, true)
})

void t.test('closing ends the attempts while the database is away', async (t) => {
  const { readiness, told } = watch(t, 'postgres://localhost:1/x')
  await until(() => told.length > 0)
  await readiness.close()
  t.match((await readiness.check()).reasons, [/./])
  t.equal(told.length, 1, 'and nothing is told afterwards')
})

void t.test('B22: clocks over 60 seconds apart stop the service, over 30 seconds they are told', async (t) => {
  for (const [skewMs, reasons, warnings] of [[0, 0, 0], [29_999, 0, 0], [30_001, 0, 1], [-60_000, 0, 1], [60_001, 1, 0], [-90_000, 1, 0]] as const) {
    const health = judge({ migrations: MIGRATED, access: USABLE, skewMs }, true)
    t.equal(health.reasons.length, reasons, `${skewMs} ms`)
    t.equal(health.warnings.length, warnings, `${skewMs} ms`)
  }
  t.match(judge({ migrations: MIGRATED, access: USABLE, skewMs: -90_000 }, false).reasons, [/90 seconds apart/])
})
