import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { migrationStatus, SESSION_MIGRATIONS } from '../../../src/stores/postgres/migration-status.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { freshDatabase } from '../../helpers/database.js'
import { newSession, upTo } from '../../helpers/pg-store.js'

const FILE = new URL('../../../migrations/0001_sessions.sql', import.meta.url)
const ALL = (await readdir(new URL('.', FILE))).filter((file) => file.endsWith('.sql')).map((file) => file.slice(0, -4)).sort()

/** Every table, column, index, trigger and function of the database that is not PostgreSQL's. */
async function inventory (pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ thing: string }>(`
    SELECT n.nspname || '.' || c.relname || coalesce('.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, '') AS thing
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function ' || proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY thing`)
  return rows.map(({ thing }) => thing)
}

/** A role that can log in and is granted nothing more; dropped after the test. */
async function roleOn (t: Test, pool: pg.Pool, connectionString: string): Promise<{ readonly role: string, readonly url: string }> {
  const role = `role_${new URL(connectionString).pathname.slice(-8)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app'; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO ${role}`)
  t.teardown(() => pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  return { role, url: Object.assign(new URL(connectionString), { username: role, password: 'app' }).href }
}

void t.test('up, down and up again leave the same tables, and down leaves nothing', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  t.same(await migrate({ connectionString }), ALL)
  const first = await inventory(pool)
  t.ok(first.includes('public.sessions.secret_hash bytea NOT NULL'))
  t.same(await migrate({ connectionString, direction: 'down', count: 10 }), ALL.toReversed())
  t.same((await inventory(pool)).filter((thing) => !thing.includes('silverback_migrations')), [])
  t.same(await migrate({ connectionString }), ALL)
  t.same(await inventory(pool), first)
  t.same(await migrate({ connectionString }), [])
})

void t.test('the columns are those of the design, each with a comment', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  await migrate({ connectionString })
  const { rows } = await pool.query(`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required, col_description(attrelid, attnum) AS says
    FROM pg_attribute WHERE attrelid = 'sessions'::regclass AND attnum > 0`)
  const { rows: silent } = await pool.query(`
    SELECT attrelid::regclass, attname FROM pg_attribute
    WHERE attrelid = ANY ('{refresh_tokens,revocations,cache_leases}'::regclass[]) AND attnum > 0 AND col_description(attrelid, attnum) IS NULL`)
  t.same(silent, [])
  const instant = 'timestamp with time zone'
  t.same(Object.fromEntries(rows.map(({ name, type, required }) => [name, `${type}${required ? '' : ' null'}`])), {
    id: 'uuid',
    secret_hash: 'bytea',
    user_id: 'text null',
    values: 'jsonb',
    claims: 'jsonb',
    created_at: instant,
    expires_at: instant,
    absolute_expires_at: instant,
    last_seen_at: instant,
    authenticated_at: `${instant} null`,
    max_age: 'integer null',
    user_agent: 'text null',
    client_ip: 'inet null',
    blocked_at: `${instant} null`,
    blocked_reason: 'text null',
    version: 'integer',
    expiry_bucket: 'integer'
  })
  t.same(rows.filter(({ says }) => says === null), [])
  t.match(rows.find(({ name }) => name === 'blocked_at').says, /is_blocked/)
})

void t.test('two who start at once both succeed, and one of them migrates', async (t) => {
  for (const schema of ['public', 'fresh_one']) {
    const { connectionString } = await freshDatabase(t)
    const ran = await Promise.all(upTo(4).map(() => migrate({ connectionString, schema })))
    t.same(ran.flat(), ALL)
  }
})

void t.test('an application\'s own node-pg-migrate, its table and its lock, is not disturbed', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  const client = await pool.connect()
  await client.query('CREATE TABLE pgmigrations (id serial PRIMARY KEY, name text, run_on timestamp)')
  await client.query('SELECT pg_advisory_lock(7241865325823964)')
  t.same(await migrate({ connectionString }), ALL)
  t.same((await client.query('SELECT name FROM pgmigrations')).rows, [])
  client.release()
})

void t.test('schema and table can have other names, the longest that PostgreSQL takes included', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  const long = 'a'.repeat(63)
  for (const names of [{ schema: 'shop', tableName: 'visits' }, { schema: 'shop', tableName: 'sessions' }, { schema: 'shop', tableName: long }, { schema: 'shop', tableName: `${long.slice(1)}b` }, { schema: 'select', tableName: 'table' }]) {
    t.same(await migrate({ connectionString, ...names }), ALL, names.tableName)
    const store = new PostgresStore({ connectionString, ...names })
    const { id } = await store.create(newSession())
    t.equal((await store.get(id))?.id, id)
    await store.close()
  }
  t.ok((await inventory(pool)).includes('function visits_lower_expiry_bucket'))
  t.ok((await inventory(pool)).some((thing) => thing.startsWith('shop.visits_silverback_migrations.')))
  t.same(await migrate({ connectionString, schema: 'shop', tableName: 'visits', direction: 'down', count: 10 }), ALL.toReversed())
  t.same((await inventory(pool)).filter((thing) => thing.includes('visits') && !thing.includes('silverback_migrations')), [])
  t.same(await migrate({ connectionString, schema: 'shop' }), [], 'the neighbour is still there')
})

void t.test('without rights to create anything, and with nothing pending, migrate succeeds', async (t) => {
  const { pool, connectionString } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const { role, url } = await roleOn(t, pool, connectionString)
  await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO ${role}`)
  t.same(await migrate({ connectionString: url }), [], 'judged by the columns')
  await pool.query(`GRANT SELECT ON silverback_migrations TO ${role}`)
  t.same(await migrate({ connectionString: url }), [], 'judged by the record')
})

void t.test('without rights and with a migration pending, migrate fails and changes nothing', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  const { url } = await roleOn(t, pool, connectionString)
  await t.rejects(migrate({ connectionString: url }))
  await t.rejects(migrate({ connectionString: url, schema: 'not_there' }), { code: '42501' })
  t.same(await inventory(pool), [])
})

void t.test('a migration that fails half-way leaves nothing behind', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  await pool.query('CREATE FUNCTION sessions_lower_expiry_bucket() RETURNS trigger LANGUAGE plpgsql AS \'BEGIN RETURN NEW; END\'')
  await t.rejects(migrate({ connectionString }), { code: '42723' })
  t.same((await inventory(pool)).filter((thing) => !thing.includes('silverback_migrations')), ['function sessions_lower_expiry_bucket'])
  await pool.query('DROP FUNCTION sessions_lower_expiry_bucket')
  t.same(await migrate({ connectionString }), ALL)
})

void t.test('what is pending, what is newer than this code and what is missing are told apart', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  const status = async (options = {}) => await migrationStatus(pool, tables(options), SESSION_MIGRATIONS)
  const empty = await status()
  t.same([empty.pending, empty.newer, empty.missing.length], [ALL, [], 36])
  await migrate({ connectionString })
  t.same(await status(), { pending: [], newer: [], missing: [] })
  await pool.query("INSERT INTO silverback_migrations (name, run_on) VALUES ('9999_future', now())")
  t.same(await status(), { pending: [], newer: ['9999_future'], missing: [] })
  await pool.query('ALTER TABLE sessions RENAME COLUMN claims TO klaims')
  t.same(await status(), { pending: [], newer: ['9999_future'], missing: ['sessions.claims'] })
  t.same((await status({ tableName: 'visits' })).pending, ALL)
  await t.rejects(status({ schema: 'a;b' }), { name: 'TypeError', message: /"schema"/ })
})

void t.test('options of migrate that are wrong are refused by name', async (t) => {
  const connectionString = 'postgres://localhost/nowhere'
  await t.rejects(migrate({ connectionString: '' }), { name: 'TypeError', message: /"connectionString"/ })
  await t.rejects(migrate({ connectionString, count: 0 }), { name: 'TypeError', message: /"count"/ })
  await t.rejects(Reflect.apply(migrate, null, [{ connectionString, direction: 'sideways' }]), { name: 'TypeError', message: /"direction"/ })
  await t.rejects(Reflect.apply(migrate, null, [{ connectionString, table: 'x' }]), { name: 'TypeError', message: /"table"/ })
})

void t.test('the files run as they stand, by psql', async (t) => {
  const { pool, connectionString } = await freshDatabase(t)
  const files = await Promise.all(ALL.map((name) => readFile(new URL(`${name}.sql`, FILE), 'utf8')))
  const up = files.map((file) => file.split('\n-- Down Migration')[0] ?? '').join('\n')
  await pool.query('CREATE SCHEMA by_hand')
  await promisify(execFile)('psql', ['-v', 'ON_ERROR_STOP=1', '-q', '-d', connectionString, '-c', `SET search_path TO by_hand; ${up}`])
  t.ok((await inventory(pool)).includes('by_hand.sessions.secret_hash bytea NOT NULL'))
  const store = new PostgresStore({ connectionString, schema: 'by_hand' })
  const { id } = await store.create(newSession({ userId: 'ada' }))
  await store.delete(id)
  await store.close()
  t.same((await pool.query('SELECT session_id FROM by_hand.revocations')).rows, [{ session_id: id }])
})

void t.test('an earlier expiry lowers the bucket, whoever writes it; a later one leaves it', async (t) => {
  const { pool, connectionString } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const store = new PostgresStore({ connectionString })
  t.teardown(() => store.close())
  const bucket = async (): Promise<{ stored: number, due: number }> =>
    (await pool.query('SELECT expiry_bucket AS stored, floor(extract(epoch FROM expires_at) / 3600)::integer AS due FROM sessions')).rows[0]
  const { id, secretHash } = await store.create(newSession({ idleSeconds: 7_200 }))
  const born = await bucket()
  t.equal(born.stored, born.due)
  await store.save(id, secretHash, { set: {}, unset: [], idleSeconds: 36_000 })
  t.equal((await bucket()).stored, born.stored, 'a slide never writes it')
  await pool.query("UPDATE sessions SET expires_at = now() - interval '5 hours'")
  const { stored, due } = await bucket()
  t.equal(stored, due)
  t.ok(stored < born.stored)
  t.equal(await store.cleanup(), 1)
  await pool.query("INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at, expiry_bucket) VALUES (gen_random_uuid(), '', now(), now(), 2000000000), (gen_random_uuid(), '', '-infinity', 'infinity', NULL)")
  t.equal(await store.cleanup(), 2, 'a bucket that is too late is not believed')
})
