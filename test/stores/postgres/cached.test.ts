import t from 'tap'
import type { SessionRecord, Store } from '../../../src/session/store.js'
import type { QueryMessage } from '../../../src/stores/measures.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { renewal } from '../../../src/testing/fixtures.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { cachedStores, heard, isWhole, openEar, toldOn } from '../../helpers/pg-cached.js'
import { found, newSession, put, SLIDE, until, upTo } from '../../helpers/pg-store.js'
import { issue, newLineage, rotate } from '../../helpers/pg-tokens.js'

void t.test('a hit asks the database nothing', async (t) => {
  const { openWhole } = await cachedStores(t)
  const store = await openWhole()
  const { id } = await store.create(newSession({ userId: 'ada' }))
  const queries = toldOn<QueryMessage>(t, 'silverback:query')
  for (let hits = 0; hits < 100; hits++) t.ok(await store.get(id))
  t.same(queries, [])
})

void t.test('whatever is done to a session elsewhere, in psql too, is seen by a cache that had it', async (t) => {
  const { store: elsewhere, pool, openWhole, connectionString } = await cachedStores(t)
  const tokens = new PostgresTokenStore({ connectionString })
  t.teardown(() => tokens.close())
  const store = await openWhole()
  const sql = (text: string) => async ({ id }: SessionRecord): Promise<unknown> => await pool.query(text, text.includes('$1') ? [id] : [])
  const acts: Readonly<Record<string, (record: SessionRecord) => Promise<unknown>>> = {
    save: ({ id, secretHash }) => elsewhere.save(id, secretHash, put({ a: 1 })),
    'save with a life of its own': ({ id, secretHash }) => elsewhere.save(id, secretHash, { ...SLIDE, maxAge: 77 }),
    'slide to an earlier end': ({ id, secretHash }) => elsewhere.save(id, secretHash, { ...SLIDE, idleSeconds: 5 }),
    compareAndSave: ({ id, secretHash, version }) => elsewhere.compareAndSave(id, secretHash, version, put({ a: 1 })),
    renew: ({ id, secretHash }) => elsewhere.save(id, secretHash, { ...SLIDE, renew: renewal() }),
    block: ({ id }) => elsewhere.block(id, 'test'),
    setClaims: () => elsewhere.setClaims('ada', { isAdmin: true }),
    delete: ({ id }) => elsewhere.delete(id),
    deleteByUser: () => elsewhere.deleteByUser('ada'),
    'sign-in over it': ({ id, secretHash }) => elsewhere.create(newSession({ userId: 'bob', replaces: { id, secretHash, carry: null } })),
    'one session too many': async () => await elsewhere.create(newSession({ userId: 'ada', atMost: 1 })),
    'lineage begins': ({ id }) => tokens.createRefreshToken(newLineage(id)),
    'lineage is revoked': ({ id }) => tokens.revokeRefreshToken(id, 'logout'),
    'reuse of a refresh token': async ({ id }) => {
      await tokens.createRefreshToken(newLineage(id))
      await store.get(id)
      await issue(tokens, id)
      await rotate(tokens, id, 1)
      await pool.query('UPDATE refresh_tokens SET confirmed_at = now() - interval \'1 hour\', generation = generation + 5 WHERE session_id = $1', [id])
      t.equal((await rotate(tokens, id, 1)).found, 'REUSE')
    },
    'DELETE in psql': sql('DELETE FROM sessions WHERE id = $1'),
    'TRUNCATE in psql': sql('TRUNCATE sessions CASCADE'),
    'values changed in psql': sql('UPDATE sessions SET "values" = \'{"b": 1}\' WHERE id = $1'),
    'values and version changed in psql': sql('UPDATE sessions SET "values" = \'{"b": 1}\', version = version + 1 WHERE id = $1'),
    'version set back in psql': sql('UPDATE sessions SET version = 0, last_seen_at = clock_timestamp() WHERE id = $1'),
    'user changed in psql': sql('UPDATE sessions SET user_id = \'eve\' WHERE id = $1'),
    'secret changed in psql': sql('UPDATE sessions SET secret_hash = sha256(secret_hash) WHERE id = $1'),
    'id changed in psql': sql('UPDATE sessions SET id = gen_random_uuid() WHERE id = $1'),
    'expired in psql': sql('UPDATE sessions SET expires_at = now() WHERE id = $1'),
    'absolute end moved in psql': sql('UPDATE sessions SET absolute_expires_at = absolute_expires_at + interval \'1 hour\' WHERE id = $1'),
    'proof of identity moved in psql': sql('UPDATE sessions SET authenticated_at = authenticated_at - interval \'1 hour\' WHERE id = $1')
  }
  for (const [title, act] of Object.entries(acts)) {
    await pool.query('DELETE FROM sessions')
    const { id } = await elsewhere.create(newSession({ userId: 'ada', set: { a: 0 } }))
    await heard(store)
    const record = found(await store.get(id))
    t.equal(store.size, 1, `${title}: kept`)
    await act(record)
    const now = await elsewhere.get(id)
    await until(`${title} is seen`, async () => {
      const seen = await store.get(id)
      return JSON.stringify({ ...seen, readAt: 0 }) === JSON.stringify({ ...now, readAt: 0 })
    })
  }
})

void t.test('a batch of saves is heard of whole, also where it is too large for one announcement', async (t) => {
  const { store: elsewhere, openWhole, connectionString } = await cachedStores(t)
  const store = await openWhole()
  const ear = await openEar(t, connectionString)
  const sessions = await Promise.all(upTo(400).map(() => elsewhere.create(newSession())))
  await Promise.all(sessions.map(({ id }) => store.get(id)))
  t.equal(store.size, 400)
  await Promise.all(sessions.map(({ id, secretHash }, n) => elsewhere.save(id, secretHash, put({ n }))))
  await until('all are seen', async () => {
    const seen = await Promise.all(sessions.map(({ id }) => store.get(id)))
    return seen.every((record, n) => record?.values['n'] === n)
  })
  const announced = await ear.read()
  t.ok(announced.length <= 10, `${announced.length} announcements`)
  t.same(new Set(announced.flatMap((text) => text.split(','))), new Set(sessions.map(({ id, version }) => `${id}:${version + 1}`)))
})

void t.test('nothing is announced where nobody caches; then what changes is, and slides are not', async (t) => {
  const { store: elsewhere, openCached, connectionString, pool } = await cachedStores(t)
  const ear = await openEar(t, connectionString)
  const begin = (): Promise<SessionRecord> => elsewhere.create(newSession({ userId: 'ada' }))
  const changes = async ({ id, secretHash }: SessionRecord): Promise<void> => {
    await Promise.all(upTo(3).map((n) => elsewhere.save(id, secretHash, put({ n }))))
    await elsewhere.compareAndSave(id, secretHash, 4, put({ a: 1 }))
    await elsewhere.block(id, 'test')
    await elsewhere.setClaims('ada', { isAdmin: true })
    await elsewhere.delete(id)
  }
  await changes(await begin())
  t.same(await ear.read(), [])

  const store = openCached()
  await isWhole(store)
  const session = await begin()
  await Promise.all([...upTo(3).map(() => elsewhere.save(session.id, session.secretHash, SLIDE)), elsewhere.get(session.id)])
  await elsewhere.save(session.id, session.secretHash, SLIDE)
  t.same(await ear.read(), [])
  await changes(session)
  const { id } = session
  t.same(await ear.read(), [`${id}:4`, `${id}:5`, id, id, id])
  await pool.query("INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at) VALUES (gen_random_uuid(), '', now(), now())")
  t.equal(await elsewhere.cleanup(), 1)
  t.same(await ear.read(), [], 'what had expired')

  await store.close()
  await changes(await begin())
  t.same(await ear.read(), [])
})

void t.test('while the feed is frozen nothing is served that is older than the bound; when it speaks again it hears of what it has missed', async (t) => {
  const { store: elsewhere, openCached, connectionString } = await cachedStores(t)
  const proxy = await openFaultProxy(t, connectionString)
  let ahead = 0
  const store = openCached({ listenConnectionString: proxy.connectionString, clock: () => performance.now() + ahead })
  await isWhole(store)
  const [ended, changed] = await Promise.all([elsewhere.create(newSession()), elsewhere.create(newSession())])
  await Promise.all([store.get(ended.id), store.get(changed.id)])
  proxy.freeze()
  await elsewhere.delete(ended.id)
  await elsewhere.save(changed.id, changed.secretHash, put({ a: 1 }))
  ahead = 1_000
  t.equal(await store.get(ended.id), null)
  t.same(found(await store.get(changed.id)).values, { a: 1 })
  await until('the feed is broken', async () => store.wholeAt === -Infinity)
  t.equal(store.size, 0)
  ahead = 0
  t.equal(await store.get(ended.id), null)
  proxy.thaw()
  await isWhole(store)
  await elsewhere.save(changed.id, changed.secretHash, put({ a: 2 }))
  await until('the change is seen', async () => (await store.get(changed.id))?.values['a'] === 2)
})

void t.test('a change by another process meets a load that began before it: what the load brings is not kept', async (t) => {
  const { store: elsewhere, openCached, connectionString, pool } = await cachedStores(t)
  const proxy = await openFaultProxy(t, connectionString)
  const store = openCached({ connectionString: proxy.connectionString, listenConnectionString: connectionString })
  await isWhole(store)
  const { id, secretHash } = await elsewhere.create(newSession({ set: { a: 0 } }))
  await store.get((await elsewhere.create(newSession())).id) // a connection is there
  // the load has read the row, and its answer is on the way
  const { rows: [from] } = await pool.query('SELECT clock_timestamp() AS at')
  proxy.freezeAnswers()
  const load = store.get(id)
  await until('the load has been answered', async () => {
    const { rows } = await pool.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback' AND state = 'idle' AND query_start > $1", [from.at])
    return rows.length > 0
  })
  await elsewhere.save(id, secretHash, put({ a: 1 }))
  await heard(store)
  proxy.thaw()
  t.same(found(await load).values, { a: 0 }, 'as it was when it was asked for')
  t.same(found(await store.get(id)).values, { a: 1 })
})

void t.test('updates by version end, though the cache had an older one', async (t) => {
  const { openWhole } = await cachedStores(t)
  const stores = [await openWhole(), await openWhole()]
  const { id, secretHash } = found(await stores[0]?.create(newSession({ set: { n: 0 } })))
  const count = async (store: Store): Promise<void> => {
    for (let done = 0; done < 50;) {
      const { values, version } = found(await store.get(id))
      if (await store.compareAndSave(id, secretHash, version, put({ n: Number(values['n']) + 1 })) !== 'conflict') done++
    }
  }
  await Promise.all(stores.map(count))
  await heard(...stores)
  for (const store of stores) t.equal(found(await store.get(id)).values['n'], 100)
})

void t.test('tables of other names, however long, have a feed of their own', async (t) => {
  const { openCached, openStore, connectionString } = await cachedStores(t)
  const names = [{ schema: 'elsewhere', tableName: 'visits' }, { schema: 'e'.repeat(60), tableName: 'v'.repeat(60) }]
  for (const name of names) {
    await migrate({ connectionString, ...name })
    const [store, elsewhere] = [openCached(name), openStore(name)]
    await isWhole(store)
    for (const act of ['save', 'delete'] as const) {
      const { id, secretHash } = await elsewhere.create(newSession())
      await store.get(id)
      await (act === 'save' ? elsewhere.save(id, secretHash, put({ a: 1 })) : elsewhere.delete(id))
      await until(`${act} is seen`, async () => (await store.get(id))?.values['a'] === (act === 'save' ? 1 : undefined))
    }
  }
})
