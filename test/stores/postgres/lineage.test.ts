import type pg from 'pg'
import t from 'tap'
import { newId } from '../../../src/core/credential.js'
import type { SessionChange } from '../../../src/session/store.js'
import { deadlocks, found, freshHash, lockWaits, newSession, postgresStore, put, SLIDE, upTo } from '../../helpers/pg-store.js'

const renewal = (given: Partial<NonNullable<SessionChange['renew']>> = {}): NonNullable<SessionChange['renew']> =>
  ({ id: newId(), secretHash: freshHash(), keep: 'all', ...given })

const beginLineage = async (client: pg.Pool | pg.PoolClient, id: string): Promise<unknown> =>
  await client.query('INSERT INTO refresh_tokens (session_id, user_id, token_hash) VALUES ($1, $2, $3)', [id, 'ada', freshHash()])

const lineages = async (pool: pg.Pool): Promise<string[]> =>
  (await pool.query<{ session_id: string }>('SELECT session_id FROM refresh_tokens')).rows.map((row) => row.session_id)

void t.test('a session that tokens name keeps its id when it is renewed, and its old secret is dead', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada', set: { a: 1 } }))
  await beginLineage(pool, id)
  const renew = renewal()
  const renewed = found(await store.save(id, secretHash, { ...put({ b: 2 }), renew }))
  t.equal(renewed.id, id)
  t.same(renewed.values, { a: 1, b: 2 })
  t.equal(await store.save(id, secretHash, SLIDE), null)
  t.equal(found(await store.save(id, renew.secretHash, SLIDE)).id, id)
  t.same(await lineages(pool), [id])
})

void t.test('a renewal that drops tokens ends the lineage and takes its new id', async (t) => {
  const { store, pool } = await postgresStore(t)
  const [{ id, secretHash }, other] = [await store.create(newSession({ userId: 'ada', set: { a: 1 } })), await store.create(newSession({ userId: 'ada' }))]
  for (const session of [id, other.id]) await beginLineage(pool, session)
  const renew = renewal({ dropsTokens: true })
  t.match(await store.save(id, secretHash, { ...SLIDE, renew }), { id: renew.id, userId: 'ada', values: { a: 1 } })
  t.equal(await store.get(id), null)
  t.same(await lineages(pool), [other.id])
})

void t.test('a renewal that is too large drops no tokens', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  await beginLineage(pool, id)
  await t.rejects(store.save(id, secretHash, { ...put({ big: 'x'.repeat(300_000) }), renew: renewal({ dropsTokens: true }) }), { code: 'ERR_SESSION_TOO_LARGE' })
  t.same(await lineages(pool), [id])
  t.ok(await store.save(id, secretHash, SLIDE))
})

for (const dropsTokens of [false, true]) {
  void t.test(`a renewal that waits while a lineage begins ${dropsTokens ? 'ends it and takes its new id' : 'keeps the id'}`, async (t) => {
    const { store, pool } = await postgresStore(t)
    const { id, secretHash } = await store.create(newSession({ userId: 'ada', set: { a: 1 } }))
    const renew = renewal({ dropsTokens })
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query('UPDATE sessions SET max_age = 60 WHERE id = $1', [id])
    await beginLineage(client, id)
    const saving = store.save(id, secretHash, { ...put({ b: 2 }), renew })
    await lockWaits(pool, 1)
    await client.query('COMMIT')
    client.release()
    const renewed = found(await saving)
    t.match(renewed, { id: dropsTokens ? renew.id : id, values: { a: 1, b: 2 }, maxAge: 60 })
    t.ok(Math.abs(renewed.expiresAt.getTime() - renewed.readAt.getTime() - 60_000) < 1_000, 'by the life that the session has now')
    t.same(await lineages(pool), dropsTokens ? [] : [id])
    t.equal(await store.save(id, secretHash, SLIDE), null, 'the old secret is dead')
  })
}

void t.test('a maxAge that waits while a lineage begins leaves the session the life of its tokens', async (t) => {
  const { store, pool } = await postgresStore(t)
  for (const change of [{ ...put({ a: 1 }), maxAge: null }, { ...SLIDE, maxAge: 60 }, { ...SLIDE, maxAge: 60, renew: renewal() }]) {
    const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query("UPDATE sessions SET max_age = 7200, expires_at = now() + interval '2 hours' WHERE id = $1", [id])
    await beginLineage(client, id)
    const saving = store.save(id, secretHash, change)
    await lockWaits(pool, 1)
    await client.query('COMMIT')
    client.release()
    const saved = found(await saving)
    t.match(saved, { id, maxAge: 7_200 })
    t.ok(Math.abs(saved.expiresAt.getTime() - saved.readAt.getTime() - 7_200_000) < 1_000)
  }
})

void t.test('a slide in a batch goes by the life that the session has now', async (t) => {
  const { store, pool } = await postgresStore(t)
  const sessions = await Promise.all(upTo(6).map(() => store.create(newSession({ userId: 'ada' }))))
  await pool.query('UPDATE sessions SET max_age = 7200')
  for (const answer of await Promise.all(sessions.map(({ id, secretHash }, n) => store.save(id, secretHash, n % 2 === 0 ? SLIDE : put({ n }))))) {
    const { expiresAt, readAt } = found(answer)
    t.ok(Math.abs(expiresAt.getTime() - readAt.getTime() - 7_200_000) < 1_000)
  }
})

void t.test('of 20 sign-ins at once at most 3 sessions of the user are ever committed, and none deadlocks', async (t) => {
  const { store, openStore, pool } = await postgresStore(t)
  const other = openStore()
  const client = await pool.connect()
  const seen: number[] = []
  const watch = async (): Promise<void> => {
    for (;;) {
      const { rows: [row] } = await client.query("SELECT count(*)::integer AS count FROM sessions WHERE user_id = 'ada'")
      seen.push(row.count)
      if (isDone) return
    }
  }
  let isDone = false
  const watching = watch()
  for (let round = 0; round < 5; round++) {
    const visitors = await Promise.all(upTo(20).map(() => store.create(newSession())))
    await Promise.all(visitors.map(({ id, secretHash }, n) =>
      (n % 2 === 0 ? store : other).create(newSession({ userId: 'ada', atMost: 3, replaces: { id, secretHash, carry: {} } }))))
  }
  isDone = true
  await watching
  client.release()
  t.ok(seen.length > 20, `${seen.length} looks`)
  t.equal(Math.max(...seen), 3)
  t.equal((await store.listByUser('ada')).length, 3)
  await Promise.all([store.close(), other.close()])
  t.equal(await deadlocks(pool), 0)
})
