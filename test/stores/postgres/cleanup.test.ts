import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { QueryMessage } from '../../../src/stores/measures.js'
import { lockWaits, newSession, postgresStore, put, seed, SLIDE, upTo, until, whileLocked } from '../../helpers/pg-store.js'

const count = async (pool: { query (text: string): Promise<{ rows: Array<{ n: string }> }> }, where = 'true'): Promise<number> =>
  Number((await pool.query(`SELECT count(*) AS n FROM sessions WHERE ${where}`)).rows[0]?.n)

void t.test('100,000 expired sessions go in batches of 1,000 while others are used, and no live one is touched', async (t) => {
  const { store, openStore, pool } = await postgresStore(t)
  await seed(pool, { count: 100_000, expiresIn: '-90 minutes' })
  await seed(pool, { count: 500, expiresIn: '10 minutes' })
  const used = await Promise.all(upTo(50).map(() => store.create(newSession())))
  // Due long ago by their bucket, alive by their expiry.
  await pool.query('UPDATE sessions SET expiry_bucket = expiry_bucket - 100 WHERE id = ANY ($1)', [used.map(({ id }) => id)])
  const cleaner = openStore()
  const batches: number[] = []
  const run = { ended: false }
  const cleaning = cleaner.cleanup({ onBatch: (removed) => { batches.push(removed) } }).finally(() => { run.ended = true })
  let uses = 0
  while (!run.ended) {
    const answers = await Promise.all(used.map(({ id, secretHash }, n) => n % 3 === 0 ? store.get(id) : store.save(id, secretHash, n % 3 === 1 ? SLIDE : put({ n }))))
    if (answers.includes(null)) throw new Error('a live session is gone')
    uses += answers.length
  }
  t.equal(await cleaning, 100_000)
  t.equal(await count(pool, 'expires_at <= now()'), 0)
  t.equal(await count(pool), 550)
  t.ok(batches.length >= 100 && batches.every((removed, n) => removed - (batches[n - 1] ?? 0) <= 1_000), `${batches.length} batches, ${uses} uses meanwhile`)
  t.equal(await cleaner.cleanup(), 0, 'those that were in use are left to the next run')
  t.equal(await count(pool, 'expiry_bucket <> floor(extract(epoch FROM expires_at) / 3600)'), 0, 'the buckets of the live were moved on')
})

void t.test('cleanup stops before its next batch when the signal fires, and when the budget is used', async (t) => {
  const { store, pool } = await postgresStore(t)
  await seed(pool, { count: 1_000, expiresIn: '-1 second' })
  const aborter = new AbortController()
  t.equal(await store.cleanup({ batchSize: 100, signal: aborter.signal, onBatch: (removed) => { if (removed === 300) aborter.abort() } }), 300)
  t.equal(await store.cleanup({ signal: AbortSignal.abort() }), 0)
  t.equal(await store.cleanup({ budgetMs: 0 }), 0)
  t.equal(await store.cleanup({ batchSize: 1, budgetMs: 1 }) < 700, true)
  await store.cleanup()
  t.equal(await count(pool), 0)
})

void t.test('cleanup rests as many times as long as a batch has taken, and the signal ends a rest', async (t) => {
  const { store, pool } = await postgresStore(t)
  await seed(pool, { count: 500, expiresIn: '-1 second' })
  const took: number[] = []
  const onQuery = (told: unknown): void => {
    const { operation, ms } = told as QueryMessage // nobody else writes to the channel
    if (operation === 'cleanup') took.push(ms)
  }
  subscribe('silverback:query', onQuery)
  t.teardown(() => { unsubscribe('silverback:query', onQuery) })
  const startedAt = performance.now()
  t.equal(await store.cleanup({ batchSize: 100, rest: 20 }), 500)
  const work = took.slice(0, 5).reduce((sum, ms) => sum + ms, 0)
  t.ok(took.length >= 5 && performance.now() - startedAt > 15 * work, `${took.length} batches in ${work} ms`)

  await seed(pool, { count: 200, expiresIn: '-1 second' })
  const aborter = new AbortController()
  t.equal(await store.cleanup({ batchSize: 100, rest: 100, signal: aborter.signal, onBatch () { aborter.abort() } }), 100)
  await t.rejects(store.cleanup({ rest: -1 }), { message: /"rest"/ })
})

void t.test('a session that is being slid while cleanup looks at it survives', async (t) => {
  const { store, openStore, pool } = await postgresStore(t)
  const cleaner = openStore()
  for (let round = 0; round < 20; round++) {
    const { id, secretHash } = await store.create(newSession())
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query("UPDATE sessions SET expires_at = now() + interval '1 hour', expiry_bucket = 0 WHERE id = $1", [id])
    const cleaning = cleaner.cleanup()
    const sliding = store.save(id, secretHash, SLIDE)
    t.equal(await cleaning, 0, 'a row that another has locked is left alone')
    await client.query('COMMIT')
    client.release()
    t.not(await sliding, null)
    t.equal(await cleaner.cleanup(), 0)
    t.not(await store.get(id), null)
  }
})

void t.test('a row that another connection has locked is skipped, and goes with the next run', async (t) => {
  const { store, pool } = await postgresStore(t)
  await seed(pool, { count: 10, expiresIn: '-1 second' })
  const [removed] = await whileLocked(pool, 'SELECT FROM sessions ORDER BY id LIMIT 3 FOR UPDATE', [], async () => [await store.cleanup()])
  t.equal(removed, 7)
  t.equal(await store.cleanup(), 3)
})

void t.test('of two who clean up at once, one works', async (t) => {
  const { store, openStore, pool, openPool } = await postgresStore(t)
  await seed(pool, { count: 50, expiresIn: '-1 second' })
  await pool.query(`CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN OLD; END $$;
    CREATE TRIGGER wait_for_it BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION wait_for_it()`)
  const other = openStore()
  const [first] = await whileLocked(openPool(), 'SELECT pg_advisory_xact_lock(4711)', [], async () => {
    const cleaning = store.cleanup()
    await lockWaits(pool, 1)
    t.equal(await other.cleanup(), 0, 'the second does not wait')
    return [cleaning]
  })
  t.equal(await first, 50)
})

void t.test('what psql has expired is found, and what expired within this hour', async (t) => {
  const { store, pool } = await postgresStore(t)
  await seed(pool, { count: 5, expiresIn: '20 days' })
  t.equal(await store.cleanup(), 0)
  await pool.query("UPDATE sessions SET expires_at = now() - interval '1 millisecond' WHERE id IN (SELECT id FROM sessions LIMIT 2)")
  t.equal(await store.cleanup(), 2)
  await pool.query('UPDATE sessions SET expires_at = now()')
  await until('the clock has moved on', async () => (await pool.query('SELECT 1 FROM sessions WHERE expires_at < now()')).rows.length > 0)
  t.equal(await store.cleanup(), 3)
})

void t.test('the server may take longer for a batch than for a request', async (t) => {
  const { store, pool } = await postgresStore(t)
  await seed(pool, { count: 3, expiresIn: '-1 second' })
  await pool.query(`CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN OLD; END $$;
    CREATE TRIGGER be_slow BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION be_slow()`)
  t.equal(await store.cleanup(), 3)
})
