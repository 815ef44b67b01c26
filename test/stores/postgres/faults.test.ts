import pg from 'pg'
import t from 'tap'
import { StoreError } from '../../../src/core/errors.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { isFaultOfOne } from '../../../src/stores/postgres/faults.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { PlainPostgresStore } from '../../../src/stores/postgres/plain-store.js'
import { Database } from '../../../src/stores/postgres/query.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { clusterUrl } from '../../helpers/database.js'
import { faultyProxy } from '../../helpers/pg-proxy.js'
import { ownServer } from '../../helpers/pg-server.js'
import { deadlocks, found, lockWaits, newSession, postgresStore, put, SLIDE, upTo, until, whileLocked } from '../../helpers/pg-store.js'

const SILVERBACK = "datname = current_database() AND application_name = 'silverback'"
const QUICK_MS = 300

async function milliseconds (work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** A store whose one connection has no timeouts of the server's own. */
function onOneConnection (pool: pg.Pool, deadlineMs = QUICK_MS): PlainPostgresStore {
  return new PlainPostgresStore(new Database({ pool, named: true, deadlineMs }), tables())
}

void t.test('connections killed while idle, 50 times: the process lives and the next request is answered', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  for (const n of upTo(50)) {
    await Promise.all([store.get(id), store.listByUser('ada'), store.listByUser('ida')])
    await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${SILVERBACK}`)
    if (n % 2 === 0) {
      if (await store.get(id) === null) throw new Error('a read found nothing')
    } else {
      // A write is sent once: until the pool has noticed, it may fail, and then as it should.
      await until('a write is answered', () => store.save(id, secretHash, SLIDE).then(() => true, (error) => {
        if (!(error instanceof StoreError)) throw error
        return false
      }))
    }
  }
  t.not(await store.get(id), null)
})

void t.test('a read on a dead connection is tried again on a new one, however many others died with it; a write is not', async (t) => {
  const { store, connectionString } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const proxy = await faultyProxy(t, connectionString)
  const pool = new pg.Pool({ connectionString: proxy.connectionString, max: 5 })
  t.teardown(() => pool.end())
  const guest = new PostgresStore({ pool })
  const fill = async (): Promise<void> => {
    const clients = await Promise.all(upTo(5).map(() => pool.connect()))
    for (const client of clients) client.release()
    proxy.doom()
  }
  await fill()
  t.equal((await guest.get(id))?.id, id)
  await fill()
  t.same(await Promise.all([guest.get(id), guest.listByUser('ada')]).then(([record]) => record?.id), id)
  await fill()
  await t.rejects(guest.save(id, secretHash, SLIDE), { code: 'ERR_STORE' })
})

void t.test('connections killed while busy, 50 times: the caller gets ERR_STORE, and the next request is answered', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  await whileLocked(pool, 'SELECT FROM sessions FOR UPDATE', [], async () => {
    for (let n = 0; n < 50; n++) {
      const saving = store.save(id, secretHash, put({ a: 1 }))
      await lockWaits(pool, 1)
      await Promise.all([
        t.rejects(saving, { code: 'ERR_STORE' }),
        pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${SILVERBACK} AND wait_event_type = 'Lock'`)
      ])
    }
  })
  t.same((await store.get(id))?.values, {}, 'nothing was written')
  t.not(await store.save(id, secretHash, put({ a: 1 })), null)
})

void t.test('after a statement that met its deadline, 100 quick ones succeed on the one connection', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const one = openPool({ max: 1 })
  const stalled = onOneConnection(one)
  await whileLocked(pool, 'SELECT FROM sessions FOR UPDATE', [], async () => {
    const ms = await milliseconds(() => t.rejects(stalled.save(id, secretHash, SLIDE), { code: 'ERR_STORE', cause: { name: 'Error' } }))
    t.ok(ms >= QUICK_MS - 5 && ms < QUICK_MS + 500, `${ms} ms`)
  })
  for (let n = 0; n < 100; n++) found(await stalled.get(id))
  t.equal(one.totalCount, 1)
})

void t.test('those who wait for a connection are answered within their deadline, and the pool recovers', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const one = openPool({ max: 1 })
  const queued = onOneConnection(one)
  await whileLocked(pool, 'SELECT FROM sessions FOR UPDATE', [], async () => {
    const ms = await milliseconds(() => Promise.all(upTo(50).map(() => t.rejects(queued.save(id, secretHash, SLIDE), { code: 'ERR_STORE' }))))
    t.ok(ms < QUICK_MS + 1_000, `${ms} ms`)
  })
  await until('nobody waits in the pool', async () => one.waitingCount === 0)
  t.not(await queued.save(id, secretHash, SLIDE), null)
})

void t.test('an event loop that stood still does not make an answer late that has come in', async (t) => {
  const { store, openPool } = await postgresStore(t)
  const { id } = await store.create(newSession())
  const quick = onOneConnection(openPool({ max: 1 }), 100)
  await quick.get(id)
  const loading = quick.get(id)
  await new Promise((resolve) => { setImmediate(resolve) })
  const until = performance.now() + 300
  while (performance.now() < until) { /* the loop stands still */ }
  t.not(await loading, null)
})

void t.test('against a server that is frozen: calls end by their deadline, close ends too, and it recovers when thawed', async (t) => {
  const { store, connectionString } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const proxy = await faultyProxy(t, connectionString)
  const frozen = new PostgresStore({ connectionString: proxy.connectionString })
  await Promise.all([frozen.get(id), frozen.listByUser('ada')])
  proxy.freeze()
  const ms = await milliseconds(() => Promise.all([
    t.rejects(frozen.get(id), { code: 'ERR_STORE' }),
    t.rejects(frozen.save(id, secretHash, SLIDE), { code: 'ERR_STORE' }),
    t.rejects(frozen.deleteByUser('ada'), { code: 'ERR_STORE' }),
    ...upTo(20).map(() => t.rejects(frozen.get(newSession().id), { code: 'ERR_STORE' }))
  ]))
  t.ok(ms < 4_500, `${ms} ms`)
  proxy.thaw()
  t.not(await frozen.get(id), null)
  proxy.freeze()
  const pending = frozen.get(id).catch((error: unknown) => error)
  const closing = await milliseconds(() => frozen.close())
  t.ok(closing < 8_000, `close took ${closing} ms`)
  t.ok(await pending instanceof StoreError)
})

void t.test('a transaction that failed half-way leaves no trace and no broken connection', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  await store.create(newSession({ userId: 'bea' }))
  const one = openPool({ max: 1 })
  const plain = onOneConnection(one)
  await pool.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
  await t.rejects(plain.deleteByUser('ada'), { code: 'ERR_STORE' }, 'COMMIT fails')
  t.not(await plain.get(id), null)
  t.equal(one.totalCount, 1)
  await t.rejects(plain.setClaims('ada', { bad: '\0' }), { code: 'ERR_STORE' }, 'a statement fails')
  t.equal(await plain.setClaims('bea', {}), 1, 'no lock is left behind')
  await until('the backend whose connection was destroyed has let its lock go', async () =>
    (await pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).rowCount === 0)
})

void t.test('a deadlock that others cause is tried again', async (t) => {
  const { store, pool } = await postgresStore(t)
  const [a, b] = [await store.create(newSession()), await store.create(newSession())]
  // Its own trigger makes a lone save take a second lock.
  await pool.query(`CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = '${a.id}' THEN PERFORM FROM sessions WHERE id = '${b.id}' FOR UPDATE; END IF; RETURN NEW; END $$;
    CREATE TRIGGER also BEFORE UPDATE OF "values" ON sessions FOR EACH ROW EXECUTE FUNCTION also()`)
  const unhurried = new pg.Pool({ connectionString: pool.options.connectionString, max: 1, options: '-c deadlock_timeout=1s' })
  const plain = onOneConnection(unhurried, 5_000)
  const client = await pool.connect()
  await client.query("SET deadlock_timeout = '10s'")
  await client.query('BEGIN')
  await client.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [b.id])
  const saving = plain.save(a.id, a.secretHash, put({ a: 1 }))
  await lockWaits(pool, 1)
  await client.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [a.id])
  await client.query('COMMIT')
  client.release()
  t.same((await saving)?.values, { a: 1 })
  await unhurried.end()
  await until('the deadlock is in the statistics', async () => await deadlocks(pool) === 1)
})

void t.test('an error that nobody has heard of is a StoreError with its cause', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  await pool.query('CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE \'odd\' USING ERRCODE = \'XX000\'; END $$')
  await pool.query('CREATE TRIGGER odd BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION odd()')
  await t.rejects(store.save(id, secretHash, SLIDE), { code: 'ERR_STORE', statusCode: 503, cause: { code: 'XX000' } })
  await Promise.all(upTo(3).map(() => t.rejects(store.save(id, secretHash, put({ a: 1 })), { code: 'ERR_STORE' })))
  await pool.query('ALTER TABLE sessions RENAME TO elsewhere')
  await t.rejects(store.get(id), { code: 'ERR_STORE', cause: { code: '42P01' } })
  await pool.query('ALTER TABLE elsewhere RENAME TO sessions')
  t.not(await store.get(id), null)
})

void t.test('while the server refuses connections few are attempted, and every caller is answered', async (t) => {
  const { connectionString } = await postgresStore(t)
  const proxy = await faultyProxy(t, connectionString)
  const admin = new pg.Pool({ connectionString: await clusterUrl() })
  t.teardown(() => admin.end())
  const allow = (yes: boolean): Promise<unknown> => admin.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} ALLOW_CONNECTIONS ${yes}`)
  const refused = new PostgresStore({ connectionString: proxy.connectionString })
  t.teardown(() => refused.close())
  await allow(false)
  const endsAt = performance.now() + 1_000
  let answered = 0
  while (performance.now() < endsAt) {
    const settled = await Promise.allSettled(upTo(50).map(() => refused.get(newSession().id)))
    if (settled.some(({ status }) => status === 'fulfilled')) throw new Error('it was not refused')
    answered += settled.length
  }
  t.ok(proxy.connections < 60, `${proxy.connections} attempts for ${answered} calls`)
  await allow(true)
  t.equal(await refused.get(newSession().id), null)
})

void t.test('the server restarts: calls fail with ERR_STORE meanwhile, then all is there', async (t) => {
  const { start } = await ownServer(t)
  let server = await start()
  await migrate({ connectionString: server.connectionString })
  const store = new PostgresStore({ connectionString: server.connectionString })
  t.teardown(() => store.close())
  const { id, secretHash } = await store.create(newSession({ set: { a: 1 } }))
  await Promise.all([store.get(id), store.listByUser('ada')])
  await server.stop()
  await t.rejects(store.get(id), { code: 'ERR_STORE' })
  await t.rejects(store.save(id, secretHash, SLIDE), { code: 'ERR_STORE' })
  server = await start()
  t.same((await store.get(id))?.values, { a: 1 })
  t.not(await store.save(id, secretHash, put({ b: 2 })), null)
})

void t.test('what has waited until its time was over is not sent, and costs no connection', async (t) => {
  const { store, openPool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const pool = openPool({ max: 1 })
  const plain = onOneConnection(pool)
  await t.rejects(plain.save(id, secretHash, put({ late: true }), 0), { code: 'ERR_STORE', cause: { message: /no answer within 300 ms/ } })
  t.equal(pool.totalCount, 0)
  t.same((await store.get(id))?.values, {})
})

void t.test('a batch is taken apart for refused data and for what others did to a row, and for nothing else', async (t) => {
  const faultOf = (code: string): StoreError => new StoreError('save', Object.assign(new Error('of the server'), { code }))
  for (const code of ['22003', '23514', '54000', '40001', '40P01']) t.ok(isFaultOfOne(faultOf(code)), code)
  for (const code of ['42P01', '55P03', '57014', '57P01', '08006', 'ECONNRESET']) t.notOk(isFaultOfOne(faultOf(code)), code)
  t.notOk(isFaultOfOne(Object.assign(new Error('not of the store'), { code: '22003' })))
})
