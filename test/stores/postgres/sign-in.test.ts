import pg from 'pg'
import t from 'tap'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { deadlocks, found, freshHash, lockWaits, newSession, postgresStore, put, SLIDE, upTo, whileLocked } from '../../helpers/pg-store.js'

void t.test('"sign out everywhere" waits for a sign-in that is being stored, and ends it', async (t) => {
  const { store, pool } = await postgresStore(t)
  const visitor = await store.create(newSession())
  const replaces = { id: visitor.id, secretHash: visitor.secretHash, carry: {} }
  const session = newSession({ userId: 'ada', replaces })
  // The sign-in has the user's lock, and stands still where it wants the old row.
  const [ended] = await whileLocked(pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [visitor.id], async () => {
    const signingIn = store.create(session)
    await lockWaits(pool, 1)
    const signingOut = store.deleteByUser('ada')
    await lockWaits(pool, 2)
    return [Promise.all([signingOut, signingIn])]
  })
  t.same((await ended)?.[0], [session.id])
  t.equal(await store.get(session.id), null)
})

void t.test('"sign out everywhere" sees the sign-in it waited for though the pool begins transactions at REPEATABLE READ', async (t) => {
  const { store, pool, connectionString } = await postgresStore(t)
  const strict = new pg.Pool({ connectionString, options: '-c default_transaction_isolation=repeatable\\ read' })
  t.teardown(() => strict.end())
  const guest = new PostgresStore({ pool: strict })
  const visitor = await store.create(newSession())
  const session = newSession({ userId: 'ada', replaces: { id: visitor.id, secretHash: visitor.secretHash, carry: {} } })
  const [ended] = await whileLocked(pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [visitor.id], async () => {
    const signingIn = store.create(session)
    await lockWaits(pool, 1)
    const signingOut = guest.deleteByUser('ada')
    await lockWaits(pool, 2)
    return [Promise.all([signingOut, signingIn])]
  })
  t.same((await ended)?.[0], [session.id])
})

void t.test('a sign-in that comes during "sign out everywhere" is stored after it, and lives', async (t) => {
  const { store, pool } = await postgresStore(t)
  const old = await store.create(newSession({ userId: 'ada' }))
  const replaces = { id: old.id, secretHash: old.secretHash, carry: {} }
  const session = newSession({ userId: 'ada', replaces })
  // The sign-out has the user's lock, and stands still where it wants the row: that of the sign-in, too.
  const answers = await whileLocked(pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [old.id], async () => {
    const signingOut = store.deleteByUser('ada')
    await lockWaits(pool, 1)
    const signingIn = store.create(session)
    await lockWaits(pool, 2)
    return [signingOut, signingIn] as const
  })
  t.same(await answers[0], [old.id])
  t.equal((await answers[1]).id, session.id)
  t.same((await store.listByUser('ada')).map(({ id }) => id), [session.id])
})

void t.test('sign-ins, sign-outs and claims of one user at once never deadlock', async (t) => {
  const { store, openStore, pool } = await postgresStore(t)
  const other = openStore()
  for (let round = 0; round < 25; round++) {
    const olds = await Promise.all(upTo(8).map(() => store.create(newSession({ userId: 'ada' }))))
    await Promise.all(olds.flatMap(({ id, secretHash }, n) => [
      (n % 2 === 0 ? store : other).create(newSession({ userId: 'ada', replaces: { id, secretHash, carry: {} } })),
      (n % 2 === 0 ? other : store).deleteByUser('ada'),
      store.setClaims('ada', { roles: [`r${n}`] }),
      other.save(id, secretHash, put({ n })),
      store.delete(id)
    ]))
  }
  await store.deleteByUser('ada')
  t.same(await store.listByUser('ada'), [])
  await Promise.all([store.close(), other.close()])
  t.equal(await deadlocks(pool), 0)
})

void t.test('claims set while a sign-in is being stored reach it', async (t) => {
  const { store, pool } = await postgresStore(t)
  const visitor = await store.create(newSession())
  const replaces = { id: visitor.id, secretHash: visitor.secretHash, carry: {} }
  const session = newSession({ userId: 'ada', claims: { isAdmin: true }, replaces })
  const both = await whileLocked(pool, 'SELECT FROM sessions WHERE id = $1 FOR UPDATE', [visitor.id], async () => {
    const signingIn = store.create(session)
    await lockWaits(pool, 1)
    const setting = store.setClaims('ada', { isAdmin: false })
    await lockWaits(pool, 2)
    return [signingIn, setting] as const
  })
  await both[0]
  t.equal(await both[1], 1)
  t.same((await store.get(session.id))?.claims, { isAdmin: false })
})

void t.test('a blocked session is not replaced: it stays, and what it held does not come along', async (t) => {
  const { store, pool } = await postgresStore(t)
  const old = await store.create(newSession({ userId: 'ada', set: { cart: [1] } }))
  await store.block(old.id, 'stolen')
  const created = await store.create(newSession({ userId: 'ada', replaces: { id: old.id, secretHash: old.secretHash, carry: { seen: 1 } } }))
  t.same(created.values, { seen: 1 })
  t.same((await pool.query('SELECT blocked_reason FROM sessions WHERE id = $1', [old.id])).rows, [{ blocked_reason: 'stolen' }])
})

void t.test('attack: a session whose secret is not known is not replaced', async (t) => {
  const { store } = await postgresStore(t)
  const victim = await store.create(newSession({ userId: 'ada', set: { cart: ['private'] } }))
  const created = await store.create(newSession({ userId: 'mallory', replaces: { id: victim.id, secretHash: freshHash(), carry: {} } }))
  t.same(created.values, {})
  t.same((await store.get(victim.id))?.values, { cart: ['private'] })
})

void t.test('a session that was ended while a save waited for its row stays ended', async (t) => {
  const { store, pool } = await postgresStore(t)
  const endings = ['DELETE FROM sessions WHERE id = $1', 'UPDATE sessions SET expires_at = clock_timestamp() WHERE id = $1', 'UPDATE sessions SET blocked_at = now() WHERE id = $1']
  for (const ending of endings) {
    for (const change of [SLIDE, put({ a: 1 }), { ...SLIDE, renew: { id: newSession().id, secretHash: freshHash(), keep: [] } }]) {
      const { id, secretHash } = await store.create(newSession())
      const client = await pool.connect()
      await client.query('BEGIN')
      await client.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [id])
      const saving = store.save(id, secretHash, change)
      await lockWaits(pool, 1)
      await client.query(ending, [id])
      await client.query('COMMIT')
      client.release()
      t.equal(await saving, null, ending)
    }
  }
})

void t.test('a save that waited for its row merges with what the row holds then', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash, version } = await store.create(newSession({ set: { a: 1, gone: 1 } }))
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('UPDATE sessions SET "values" = $2, version = version + 1 WHERE id = $1', [id, { a: 2, b: 2, gone: 2 }])
  const saving = store.save(id, secretHash, { ...put({ c: 3 }), unset: ['gone'] })
  const comparing = store.compareAndSave(id, secretHash, version, put({ lost: true }))
  await lockWaits(pool, 2)
  await client.query('COMMIT')
  client.release()
  t.equal(await comparing, 'conflict')
  t.same(found(await saving).values, { a: 2, b: 2, c: 3 })
  t.equal((await store.get(id))?.version, version + 2)
})
