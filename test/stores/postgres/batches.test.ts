import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { newId } from '../../../src/core/credential.js'
import type { SessionRecord } from '../../../src/session/store.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { PlainPostgresStore } from '../../../src/stores/postgres/plain-store.js'
import { Database } from '../../../src/stores/postgres/query.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { ownServer } from '../../helpers/pg-server.js'
import { deadlocks, found, freshHash, lockWaits, newSession, postgresStore, put, SLIDE, until, upTo, whileLocked } from '../../helpers/pg-store.js'

const BATCHES_A_SIDE = 5_000
const SESSIONS = 32
const BATCH = 16

const saving = ({ id, secretHash }: SessionRecord, n: number): { id: string, secretHash: Uint8Array, change: typeof SLIDE, changes: number } =>
  ({ id, secretHash, change: n % 2 === 0 ? SLIDE : put({ n }), changes: n % 2 })

void t.test('10,000 batches with the same sessions in opposite orders never deadlock', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const sessions = await Promise.all(upTo(SESSIONS).map(() => store.create(newSession())))
  const side = async (order: readonly SessionRecord[], worker: number): Promise<number> => {
    const own = openPool({ max: 2, options: '-c synchronous_commit=off' })
    const plain = new PlainPostgresStore(new Database({ pool: own, named: true }), tables())
    let saved = 0
    await Promise.all([0, 1].map(async (half) => {
      for (let n = half; n < BATCHES_A_SIDE; n += 2) {
        const from = (n * 7) % (SESSIONS - BATCH)
        saved += (await plain.saveMany(order.slice(from, from + BATCH).map((session, k) => saving(session, n + k + worker)))).size
      }
    }))
    await own.end()
    return saved
  }
  const saved = await Promise.all([side(sessions, 0), side(sessions.toReversed(), 1)])
  t.equal(await deadlocks(pool), 0)
  t.ok(Math.min(...saved) > 0, `rows saved: ${saved.join(' and ')}`)
})

void t.test('saves of the same sessions from two processes at once lose nothing', async (t) => {
  const { store, openStore } = await postgresStore(t)
  const other = openStore()
  const sessions = await Promise.all(upTo(8).map(() => store.create(newSession())))
  await Promise.all(upTo(40).flatMap((n) => (n % 2 === 0 ? sessions : sessions.toReversed()).map(({ id, secretHash }) =>
    (n % 2 === 0 ? store : other).save(id, secretHash, n % 5 === 0 ? SLIDE : put({ [`k${n}`]: n })))))
  const expected = Object.fromEntries(upTo(40).filter((n) => n % 5 !== 0).map((n) => [`k${n}`, n]))
  for (const { id } of sessions) {
    const record = found(await store.get(id))
    t.same(record.values, expected)
    t.equal(record.version, 1 + Object.keys(expected).length, 'every change counts once')
  }
})

void t.test('a row that another connection has locked delays no other session of its batch', async (t) => {
  const { store, pool } = await postgresStore(t)
  const sessions = await Promise.all(upTo(10).map(() => store.create(newSession())))
  const [locked] = sessions
  const [last] = await whileLocked(pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [locked?.id], async () => {
    const answers = sessions.map(({ id, secretHash }, n) => store.save(id, secretHash, n % 2 === 0 ? put({ n }) : SLIDE))
    const [first, ...others] = answers
    t.ok((await Promise.all(others)).every((record) => record !== null), 'the others are saved while it is locked')
    await lockWaits(pool, 1)
    const again = found(sessions[1])
    t.not(await store.save(again.id, again.secretHash, put({ again: true })), null, 'and the next batch goes out')
    t.not(await store.get(found(locked).id), null, 'and it can be read')
    return [first]
  })
  t.same((await last)?.values, { n: 0 })
})

void t.test('a batch of saves tells only the news of a row that is as it was seen, and all of one that has changed since', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const plain = new PlainPostgresStore(new Database({ pool: openPool(), named: true }), tables())
  const sessions = await Promise.all(upTo(6).map((n) => store.create(newSession({ userId: `user ${n}`, set: { n } }))))
  const seen = await Promise.all(sessions.map(async ({ id }) => found(await store.get(id))))
  const [slid, saved, edited] = seen.map((record) => found(record))
  await store.save(found(slid).id, found(slid).secretHash, SLIDE)
  await store.save(found(saved).id, found(saved).secretHash, put({ theirs: 1 }))
  await pool.query('UPDATE sessions SET user_agent = $2 WHERE id = $1', [found(edited).id, 'a hand'])
  await store.setClaims('user 3', { isAdmin: true })
  const save = async (kinds: readonly number[]): Promise<unknown[]> => {
    const answers = await plain.saveMany(seen.map((record, n) => ({ ...saving(record, kinds[n] ?? 0), seen: record })))
    return seen.map(({ id }) => answers.get(id)?.())
  }
  const [first, second, third, fourth, fifth, sixth] = await save([1, 1, 1, 1, 1, 0])
  t.match([first, second, third, fourth], [{ values: { n: 1 } }, { values: { n: 1, theirs: 1 } }, { userAgent: 'a hand' }, { claims: { isAdmin: true } }])
  for (const [news, record] of [[fifth, seen[4]], [sixth, seen[5]]] as const) {
    const { expiresAt, lastSeenAt } = found(await store.get(found(record).id))
    t.same(news, { savedAt: lastSeenAt, expiresAt })
  }
  t.ok((await save(upTo(6))).every((answer) => typeof answer === 'object' && answer !== null && 'values' in answer), 'and now each has changed')
})

void t.test('a record of another session, written by the same transaction, is not taken for the one that was saved', async (t) => {
  const { store, openPool } = await postgresStore(t)
  const plain = new PlainPostgresStore(new Database({ pool: openPool(), named: true }), tables())
  const sessions = await Promise.all(upTo(2).map((n) => store.create(newSession({ set: { n } }))))
  await plain.saveMany(sessions.map((record, n) => ({ ...saving(record, 1), change: put({ m: n }) })))
  const [one, two] = await Promise.all(sessions.map(async ({ id }) => found(await store.get(id))))
  const saved = await plain.saveMany([{ ...saving(found(one), 1), change: put({ k: 1 }), seen: found(two) }])
  t.match(saved.get(found(one).id)?.(), { id: found(one).id, values: { n: 0, m: 0, k: 1 } })
})

void t.test('a row that another changes between the batch\'s look at it and its lock comes back whole', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const role = `policed_${randomBytes(8).toString('hex')}`
  t.teardown(() => pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  const { id, secretHash } = await store.create(newSession({ set: { a: 1 } }))
  const seen = found(await store.get(id))
  // a policy is evaluated on the row as the snapshot shows it, before the row is locked
  await pool.query(`
    CREATE ROLE ${role};
    GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
    CREATE FUNCTION paused() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END $$;
    ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
    CREATE POLICY paused ON sessions TO ${role} USING (paused())`)
  const plain = new PlainPostgresStore(new Database({ pool: openPool({ options: `-c role=${role}` }), named: true }), tables())
  const [saving] = await whileLocked(pool, 'SELECT pg_advisory_xact_lock(7)', [], async () => {
    const answer = plain.saveMany([{ id, secretHash, change: put({ mine: 1 }), changes: 1, seen }])
    await lockWaits(pool, 1)
    await store.save(id, secretHash, put({ theirs: 1 }))
    return [answer]
  })
  t.match((await saving)?.get(id)?.(), { values: { a: 1, theirs: 1, mine: 1 }, version: 3 })
})

void t.test('whoever overrides or patches save sees every save', async (t) => {
  const { connectionString } = await postgresStore(t)
  class Audited extends PostgresStore {
    readonly audited: string[] = []
    override async save (...given: Parameters<PostgresStore['save']>): Promise<SessionRecord | null> {
      this.audited.push(given[0])
      return await super.save(...given)
    }
  }
  const store = new Audited({ connectionString })
  t.teardown(() => store.close())
  const { id } = await store.create(newSession())
  t.match(await store.saveSeen(found(await store.get(id)), put({ a: 1 })), { values: { a: 1 } })
  t.same(store.audited, [id])
  const { save } = PostgresStore.prototype
  t.teardown(() => { PostgresStore.prototype.save = save })
  const patched: string[] = []
  PostgresStore.prototype.save = async function (...given) {
    patched.push(given[0])
    return await save.apply(this, given)
  }
  const plain = new PostgresStore({ connectionString })
  t.teardown(() => plain.close())
  t.match(await plain.saveSeen(found(await plain.get(id)), put({ b: 2 })), { values: { a: 1, b: 2 } })
  t.same(patched, [id])
})

void t.test('sessions are begun, read, saved, renewed and slid on a partitioned table too', async (t) => {
  const { store, pool } = await postgresStore(t)
  await pool.query(`
    ALTER TABLE sessions RENAME TO plain;
    CREATE TABLE sessions (LIKE plain INCLUDING DEFAULTS) PARTITION BY HASH (id);
    CREATE TABLE sessions_0 PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE sessions_1 PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    ALTER TABLE sessions ADD PRIMARY KEY (id);
    CREATE TRIGGER bucket BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION sessions_lower_expiry_bucket()`)
  const begun = await Promise.all(upTo(16).map((n) => store.create(newSession({ set: { n } }))))
  const seen = await Promise.all(begun.map(async ({ id }) => found(await store.get(id))))
  const saved = await Promise.all(seen.map((record, n) => store.saveSeen(record, n % 2 === 0 ? put({ m: n }) : SLIDE)))
  t.ok(saved.every((answer) => answer !== null && 'savedAt' in answer))
  const renewed = await Promise.all(seen.map(({ id, secretHash }) =>
    store.save(id, secretHash, { ...SLIDE, renew: { id: newId(), secretHash: freshHash(), keep: 'all' } })))
  t.same(renewed.map((record) => record?.values), upTo(16).map((n) => n % 2 === 0 ? { n, m: n } : { n }))
})

void t.test('what is too large within a batch fails for its own caller alone', async (t) => {
  const { store } = await postgresStore(t)
  const sessions = await Promise.all(upTo(6).map(() => store.create(newSession())))
  const big = 'x'.repeat(300_000)
  const settled = await Promise.allSettled(sessions.flatMap(({ id, secretHash }, n) => [
    store.save(id, secretHash, put({ n })),
    store.save(id, secretHash, n === 3 ? put({ big }) : SLIDE),
    store.save(id, secretHash, put({ m: n }))
  ]))
  t.same(settled.flatMap(({ status }, n) => status === 'rejected' ? [n] : []), [10])
  t.match(settled[10], { reason: { code: 'ERR_SESSION_TOO_LARGE' } })
  for (const [n, { id }] of sessions.entries()) t.same((await store.get(id))?.values, { n, m: n })
})

void t.test('numbers count by all their digits: what is short in memory can be too large as text', async (t) => {
  const { store } = await postgresStore(t)
  const sessions = await Promise.all(upTo(2).map(() => store.create(newSession())))
  const save = (record: SessionRecord | undefined, count: number): Promise<unknown> =>
    store.save(found(record).id, found(record).secretHash, put({ digits: upTo(count).map(() => 1e308) }))
  const [small, large] = await Promise.allSettled([save(sessions[0], 800), save(sessions[1], 900)])
  t.match([small, large], [{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'ERR_SESSION_TOO_LARGE' } }])
  await t.rejects(save(sessions[1], 900), { code: 'ERR_SESSION_TOO_LARGE' }, 'alone, too')
})

void t.test('what the server refuses in one entry of a batch fails for its own caller alone', async (t) => {
  const { store } = await postgresStore(t)
  const sessions = await Promise.all(upTo(4).map(() => store.create(newSession())))
  const settled = await Promise.allSettled(sessions.map(({ id, secretHash }, n) => store.save(id, secretHash, put({ n: n === 2 ? '\0' : n }))))
  t.same(settled.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  t.match(settled[2], { reason: { code: 'ERR_STORE', cause: { code: '22P05' } } })
})

void t.test('a slide in a batch writes neither values nor version', async (t) => {
  const { store, pool, openPool } = await postgresStore(t)
  const sessions = await Promise.all(upTo(2).map(() => store.create(newSession({ set: { a: 1 } }))))
  const plain = new PlainPostgresStore(new Database({ pool: openPool(), named: true }), tables())
  await pool.query('CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE \'values or version written\'; END $$')
  await pool.query('CREATE TRIGGER refuse BEFORE UPDATE OF "values", version, claims, max_age, expiry_bucket ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()')
  const slid = await plain.saveMany(sessions.map(({ id, secretHash }) => ({ id, secretHash, change: SLIDE, changes: 0 })))
  t.match([...slid.values()].map((read) => read()), [{ version: 1 }, { version: 1 }])
  for (const { id, secretHash } of sessions) t.equal((await store.save(id, secretHash, SLIDE))?.version, 1)
})

void t.test('slides and saves stay on their page: at least 95 of 100 are HOT', async (t) => {
  // On a server of its own: a long transaction that writes anywhere in a cluster keeps old versions from being pruned.
  const { connectionString } = await (await ownServer(t)).start()
  await migrate({ connectionString })
  const store = new PostgresStore({ connectionString })
  const sessions = await Promise.all(upTo(50).map((n) => store.create(newSession({ userId: `user ${n}`, set: { cart: upTo(20), n } }))))
  for (let round = 0; round < 200; round++) {
    await Promise.all(sessions.map(({ id, secretHash }, n) => store.save(id, secretHash, (n + round) % 2 === 0 ? SLIDE : put({ n: round }))))
  }
  await store.close()
  const client = new pg.Client({ connectionString })
  await client.connect()
  const counts = async (): Promise<{ updates: number, hot: number }> =>
    (await client.query("SELECT n_tup_upd::integer AS updates, n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'")).rows[0]
  await until('the backends that have ended have handed in their counts', async () => (await counts()).updates === 10_000)
  const { hot } = await counts()
  t.ok(hot >= 9_500, `${hot} of 10000`)
  await client.end()
})
