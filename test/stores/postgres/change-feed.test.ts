import pg from 'pg'
import t, { type Test } from 'tap'
import type { CacheMessage } from '../../../src/stores/measures.js'
import { cached } from '../../../src/stores/cached.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { freshDatabase } from '../../helpers/database.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { moveClock } from '../../helpers/moved-clock.js'
import { type CachedOnPostgres, CHANNEL, cachedStores, END_FEEDS, heard, isWhole, toldOn } from '../../helpers/pg-cached.js'
import { found, newSession, put, until } from '../../helpers/pg-store.js'
import { hasPgbouncer, openPgbouncer } from '../../helpers/pgbouncer.js'

const leases = async ({ pool }: CachedOnPostgres): Promise<number> => (await pool.query('SELECT FROM cache_leases WHERE until > now()')).rows.length

/** A connection of its own, closed after the test. */
async function connect (t: Test, connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** A role that may read and write rows and nothing more; dropped after the test. */
async function plainRole (t: Test, { pool, connectionString }: CachedOnPostgres): Promise<string> {
  const role = `app_${new URL(connectionString).pathname.slice(-8)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app'; GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, refresh_tokens, revocations, cache_leases TO ${role}`)
  t.teardown(() => pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  return Object.assign(new URL(connectionString), { username: role, password: 'app' }).href
}

// What a save does, and waits in the middle of it: no transaction id yet, and a snapshot from before the lease.
const SLOW_SAVE = `
  WITH w AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(7)), u AS (
    UPDATE sessions AS t SET "values" = '{"slow": true}', version = t.version + 1, last_seen_at = clock_timestamp() FROM w WHERE t.id = $1 RETURNING t.id, t.version)
  SELECT CASE WHEN EXISTS (SELECT FROM cache_leases AS l WHERE l.until > now()) THEN pg_notify('${CHANNEL}', concat(u.id, ':', u.version)) END AS told FROM u`

void t.test('who began before the cache was declared, and tells nobody, is waited for: before its snapshot is gone, and before it has committed, nothing is kept', async (t) => {
  const database = await cachedStores(t)
  const { store: elsewhere, pool, openCached, connectionString } = database
  const proxy = await openFaultProxy(t, await plainRole(t, database))
  const looks = { seen: 0, over: 0 }
  proxy.judge = (text) => {
    if (text.includes('backend_xmin')) looks.seen++
    if (text.includes('pg_snapshot_xmin')) looks.over++
    return 'pass'
  }
  const again = async (which: 'seen' | 'over'): Promise<void> => {
    const before = looks[which]
    await until('the feed has looked again', async () => looks[which] > before + 2)
  }
  const { id } = await elsewhere.create(newSession())
  const [holder, writer] = [await connect(t, connectionString), await connect(t, connectionString)]
  await holder.query('SELECT pg_advisory_lock(7)')
  await writer.query('BEGIN')
  const saved = writer.query(SLOW_SAVE, [id])
  await until('the save waits', async () => (await pool.query("SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()")).rows.length === 1)

  const store = openCached({ connectionString, listenConnectionString: proxy.connectionString })
  await again('seen')
  t.equal(looks.over, 0, 'its snapshot is older than the lease')
  t.same(found(await store.get(id)).values, {})
  await holder.query('SELECT pg_advisory_unlock(7)')
  t.same((await saved).rows, [{ told: null }], 'it saw no lease')
  await writer.query('SELECT 1') // the driver's last answer holds a snapshot until the next question
  await again('over')
  t.equal(store.wholeAt, -Infinity, 'it has not committed')
  t.same(found(await store.get(id)).values, {})
  t.equal(store.size, 0)
  await writer.query('COMMIT')
  await isWhole(store)
  t.same(found(await store.get(id)).values, { slow: true })
  t.equal(store.size, 1)
})

void t.test('when its connection is killed the feed breaks, and is whole again; what was missed is not served', async (t) => {
  const { store: elsewhere, pool, openWhole } = await cachedStores(t)
  const store = await openWhole()
  const told = toldOn<CacheMessage>(t, 'silverback:cache')
  for (let round = 0; round < 5; round++) {
    const { id } = await elsewhere.create(newSession())
    await store.get(id)
    told.length = 0
    await Promise.all([pool.query(END_FEEDS), elsewhere.delete(id)])
    await until('it is broken', async () => told.some(({ kind }) => kind === 'broken'))
    await isWhole(store)
    t.equal(await store.get(id), null)
  }
  t.match(told.find(({ kind }) => kind === 'broken')?.cause, { message: /lost/ })
})

void t.test('a lease that is gone, or has run out, is noticed with the next heartbeat, and declared anew', async (t) => {
  const database = await cachedStores(t)
  const { store: elsewhere, pool, openWhole } = database
  const store = await openWhole()
  for (const act of ['DELETE FROM cache_leases', "UPDATE cache_leases SET until = now() - interval '1 second'", 'TRUNCATE cache_leases']) {
    const { id } = await elsewhere.create(newSession())
    await store.get(id)
    const told = toldOn<CacheMessage>(t, 'silverback:cache')
    await pool.query(act)
    await elsewhere.delete(id) // nobody is told
    await until('it is broken', async () => told.some(({ kind }) => kind === 'broken'))
    await isWhole(store)
    t.equal(await store.get(id), null, act)
    t.equal(await leases(database), 1)
  }
})

void t.test('a lease is renewed while the feed lives, taken back on close, and those of the dead go when the next is declared', async (t) => {
  const database = await cachedStores(t)
  const { pool, openWhole } = database
  await pool.query("INSERT INTO cache_leases (node, until) VALUES ('dead', now() - interval '2 minutes'), ('dying', now() - interval '30 seconds'), ('alive', now() + interval '30 seconds')")
  const store = await openWhole()
  t.same((await pool.query("SELECT node FROM cache_leases WHERE node ~ '^[a-z]{4,5}$' ORDER BY node")).rows, [{ node: 'alive' }, { node: 'dying' }])
  t.equal(await leases(database), 2)
  const { now } = performance
  t.teardown(() => { performance.now = now })
  const { rows: [before] } = await pool.query('SELECT max(until) AS until FROM cache_leases')
  performance.now = () => now.call(performance) + 15_000
  await until('it is renewed', async () => (await pool.query('SELECT FROM cache_leases WHERE until > $1', [before.until])).rows.length === 1)
  await store.close()
  t.equal(await leases(database), 1)
})

void t.test('where a trigger is missing or disabled the cache is not used, and it is said which', async (t) => {
  const { store: elsewhere, pool, openCached } = await cachedStores(t)
  await pool.query('ALTER TABLE sessions DISABLE TRIGGER sessions_cache_deleted')
  const told = toldOn<CacheMessage>(t, 'silverback:cache')
  const store = openCached()
  const { id } = await elsewhere.create(newSession())
  await until('it is broken', async () => told.length > 0)
  t.match(told, [{ kind: 'broken', cause: { message: /sessions_cache_deleted is missing or disabled/ } }])
  t.ok(await store.get(id))
  t.equal(store.size, 0)
  await pool.query('ALTER TABLE sessions ENABLE TRIGGER sessions_cache_deleted')
  await isWhole(store)
  await store.get(id)
  t.equal(store.size, 1)
  told.length = 0
  await pool.query('ALTER TABLE sessions DISABLE TRIGGER sessions_cache_deleted')
  await elsewhere.delete(id) // nobody is told
  await until('it is noticed with the next heartbeat', async () => told.some(({ kind }) => kind === 'broken'))
  t.equal(await store.get(id), null)
})

void t.test('without a connection for the feed the store works on as before', async (t) => {
  const { store: elsewhere, openCached, connectionString } = await cachedStores(t)
  const proxy = await openFaultProxy(t, connectionString)
  proxy.cut()
  const store = openCached({ listenConnectionString: proxy.connectionString })
  const { id, secretHash } = await store.create(newSession())
  await store.get(id)
  await elsewhere.save(id, secretHash, put({ a: 1 }))
  t.same(found(await store.get(id)).values, { a: 1 })
  t.equal(store.size, 0)
  proxy.restore()
  await isWhole(store)
})

void t.test('attack: announcements that anybody can send make a cache forget, and nothing worse', async (t) => {
  const { store: elsewhere, pool, openWhole } = await cachedStores(t)
  const store = await openWhole()
  const { id } = await elsewhere.create(newSession())
  for (const text of ['', ',', ':', '*:1', 'x'.repeat(7_000), `${id}:`, `${id}:-1`, `${id}:x`, `${id}:1e999`, `${id}:999999999`, `,,${id}`, '*', `${id},*,*`]) {
    await store.get(id)
    await pool.query('SELECT pg_notify($1, $2)', [CHANNEL, text])
    await heard(store)
    t.equal(found(await store.get(id)).id, id)
  }
  t.ok(store.wholeAt > -Infinity)
  t.equal(store.size, 1)
})

void t.test('close is quick, whatever the server does, and a feed does not keep the process alive', async (t) => {
  const { connectionString, openCached } = await cachedStores(t)
  const before = process.getActiveResourcesInfo().sort()
  const idle = openCached()
  await isWhole(idle)
  await new Promise((resolve) => { setImmediate(resolve) })
  t.same(process.getActiveResourcesInfo().sort(), before)
  const proxy = await openFaultProxy(t, connectionString)
  const frozen = openCached({ listenConnectionString: proxy.connectionString })
  await isWhole(frozen)
  proxy.freeze()
  const from = performance.now()
  await frozen.close()
  await openCached().close()
  t.ok(performance.now() - from < 2_000)
})

void t.test('a store that is closed ends its watches, and watches nothing any more', async (t) => {
  const database = await cachedStores(t)
  const inner = new PostgresStore({ connectionString: database.connectionString })
  const told: string[] = []
  const sink = { whole: () => { told.push('whole') }, changed: () => {}, broken: (cause: unknown) => { told.push(String(cause)) } }
  const watch = inner.watchChanges(sink, { everyMs: 50 })
  await until('it is whole', async () => told.length > 0)
  await inner.close()
  t.equal(watch.wholeAt, -Infinity)
  t.equal(await leases(database), 0)
  await watch.close()
  t.equal(inner.watchChanges(sink, { everyMs: 50 }).wholeAt, -Infinity)
  t.same(told, ['whole', 'Error: the store is closed'])
})

void t.test('a cache that listens at another database than its statements go to is not used, and it is said why', async (t) => {
  const { store: elsewhere, openCached } = await cachedStores(t)
  const other = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const told = toldOn<CacheMessage>(t, 'silverback:cache')
  const store = openCached({ listenConnectionString: other.connectionString })
  await until('it is told', async () => told.length > 0)
  t.match(told, [{ kind: 'broken', cause: { message: /another database/ } }])
  const { id } = await elsewhere.create(newSession())
  t.ok(await store.get(id))
  await elsewhere.delete(id)
  t.equal(await store.get(id), null)
  t.equal(store.size, 0)
})

void t.test('a cache whose statements are led to another database later breaks within the bound', async (t) => {
  const { connectionString, openCached } = await cachedStores(t)
  const other = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const pool = new pg.Pool({ connectionString, max: 1 })
  t.teardown(() => pool.end())
  const store = openCached({ connectionString: undefined, pool, listenConnectionString: connectionString })
  await isWhole(store)
  const told = toldOn<CacheMessage>(t, 'silverback:cache')
  Object.assign(pool.options, { connectionString: other.connectionString })
  const client = await pool.connect()
  client.release(true)
  const from = performance.now()
  await until('it is broken', async () => told.length > 0)
  t.ok(performance.now() - from < 1_000)
  t.match(told, [{ kind: 'broken', cause: { message: /another database/ } }])
})

void t.test('where the clock of the database is set, ages of what is kept are not known any more: what has expired by it is not served', async (t) => {
  const { store: elsewhere, connectionString, openWhole } = await cachedStores(t)
  const clock = await moveClock(t, connectionString)
  const store = await openWhole()
  const { id } = await elsewhere.create(newSession({ idleSeconds: 20 }))
  await heard(store)
  t.ok(await store.get(id))
  t.equal(store.size, 1)
  await heard(store)
  t.equal(store.size, 1)
  await clock.advance(21)
  await heard(store)
  await heard(store)
  t.equal(await store.get(id), null)
})

void t.test('changes cannot be heard through a pooler: a direct connection is asked for by name', async (t) => {
  const { connectionString, openStore, store: elsewhere } = await cachedStores(t)
  t.throws(() => cached(openStore({ pooler: 'transaction' })), { name: 'TypeError', message: /"listenConnectionString"/ })
  if (!hasPgbouncer) return
  const through = await openPgbouncer(t, connectionString)
  const told = toldOn<CacheMessage>(t, 'silverback:cache')
  const unaware = cached(new PostgresStore({ connectionString: through }))
  t.teardown(() => unaware.close())
  await until('it is broken', async () => told.length > 0)
  t.match(told, [{ kind: 'broken', cause: { message: /pooler in transaction mode/ } }])
  const store = cached(new PostgresStore({ connectionString: through, pooler: 'transaction', listenConnectionString: connectionString }))
  t.teardown(() => store.close())
  await until('it is whole', async () => told.some(({ kind }) => kind === 'whole'))
  const { id } = await elsewhere.create(newSession())
  await store.get(id)
  await elsewhere.delete(id)
  await until('the end is seen', async () => await store.get(id) === null)
})
