import type pg from 'pg'
import t, { type Test } from 'tap'
import { newId } from '../../../src/core/credential.js'
import type { JsonObject, SessionRecord } from '../../../src/session/store.js'
import { RecentRecords } from '../../../src/stores/postgres/recent-records.js'
import { RowRecord } from '../../../src/stores/postgres/row-record.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { found, freshHash, newSession, postgresStore, put, SLIDE, until, upTo } from '../../helpers/pg-store.js'

interface Opened {
  /** Changes what the other views, as another process would. */
  readonly store: PostgresStore
  readonly pool: pg.Pool
  readonly viewer: PostgresStore
  /** The viewer's pool: it keeps the connections it has. */
  readonly own: pg.Pool
}

async function open (t: Test, options: { readonly pooler?: 'transaction' } = {}): Promise<Opened> {
  const { store, pool, openPool } = await postgresStore(t)
  const own = openPool({ max: 4, idleTimeoutMillis: 0 })
  const viewer = new PostgresStore({ pool: own, ...options })
  t.teardown(() => viewer.close())
  return { store, pool, viewer, own }
}

const CONTENTS = { n: 1, list: [1, { deep: true }] }

/** Views a session until it is known, if it is kept. */
async function viewOften (viewer: PostgresStore, id: string): Promise<SessionRecord> {
  await viewer.view(id)
  await viewer.view(id)
  return found(await viewer.view(id))
}

async function know (t: Test, viewer: PostgresStore, id: string): Promise<SessionRecord> {
  const known = await viewOften(viewer, id)
  t.equal(found(await viewer.view(id)).values, known.values, 'it is known')
  return known
}

/** All of a record but when it was read, in the form that tells a date from a text. */
const facts = ({ readAt: _readAt, secretHash, ...record }: SessionRecord): object => structuredClone({ ...record, secretHash: Buffer.from(secretHash).toString('hex') })

t.test('what is viewed again is told once more in full, then shared, and frozen, until the row is another', async (t) => {
  const { store, viewer } = await open(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada', set: CONTENTS, claims: { roles: ['user'] } }))
  const first = found(await viewer.view(id))
  const second = found(await viewer.view(id))
  const third = found(await viewer.view(id))
  t.not(second.values, first.values, 'a row that was read once may be one that changes with every request')
  t.equal(third.values, second.values)
  t.ok(Object.isFrozen(third.values) && Object.isFrozen(third.values['list']) && Object.isFrozen(third.claims) && Object.isFrozen(third.claims.roles))
  t.same(facts(third), facts(found(await store.get(id))))
  t.ok(third.readAt >= second.readAt, 'it was read now')
  t.equal(Buffer.compare(third.secretHash, secretHash), 0)
  await store.save(id, secretHash, put({ n: 2 }))
  const changed = found(await viewer.view(id))
  t.not(changed.values, third.values)
  t.same(changed.values, { ...CONTENTS, n: 2 })
  t.same(third.values, CONTENTS, 'what was given stays as it was')
})

t.test('what get gives is the caller\'s own, of a session that is known too, alone and beside a view', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const known = await know(t, viewer, id)
  const [viewed, ...read] = await Promise.all([viewer.view(id), viewer.get(id), viewer.get(id)])
  t.equal(found(viewed).values, known.values)
  for (const record of [...read, await viewer.get(id)]) {
    const { values, lastSeenAt } = found(record)
    t.same(values, CONTENTS)
    Object.assign(values, { n: 'changed' })
    Object.assign(values['list'] as object, { 0: 'changed' })
    lastSeenAt.setTime(0)
  }
  t.same(facts(found(await viewer.view(id))), facts(known))
  t.same(found(await store.get(id)).values, CONTENTS)
})

const hash = freshHash()
const other = freshHash()
/** What another process may do to a session between two views of it. */
const CHANGES: Readonly<Record<string, (opened: Opened, id: string) => Promise<unknown>>> = {
  'a save': ({ store }, id) => store.save(id, hash, put({ n: 2 })),
  'a save of what is there already': ({ store }, id) => store.save(id, hash, put({ n: 1 })),
  'a key that is dropped': ({ store }, id) => store.save(id, hash, { ...SLIDE, unset: ['list'] }),
  'a slide': ({ store }, id) => store.save(id, hash, SLIDE),
  'another life': ({ store }, id) => store.save(id, hash, { ...SLIDE, maxAge: 60 }),
  'a new secret': ({ store }, id) => store.save(id, hash, { ...SLIDE, renew: { id: newId(), secretHash: other, keep: 'all' } }),
  'other claims': ({ store }) => store.setClaims('ada', { roles: ['admin'] }),
  'a block': ({ store }, id) => store.block(id, 'why'),
  'a block that is lifted': async ({ store }, id) => { await store.block(id, 'why'); await store.unblock(id) },
  'the end': ({ store }, id) => store.delete(id),
  'the end of all sessions of the user': ({ store }) => store.deleteByUser('ada'),
  'its expiry': ({ pool }, id) => pool.query("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1", [id]),
  'a hand in psql': ({ pool }, id) => pool.query('UPDATE sessions SET "values" = \'{"by": "hand"}\' WHERE id = $1', [id]),
  'a hand that makes the values no object': ({ pool }, id) => pool.query('UPDATE sessions SET "values" = \'[1]\' WHERE id = $1', [id]),
  'a hand that changes it twice in one transaction': ({ pool }, id) => pool.query(`BEGIN; UPDATE sessions SET "values" = '{"n": 5}' WHERE id = '${id}'; UPDATE sessions SET "values" = '{"n": 6}' WHERE id = '${id}'; COMMIT`),
  'another row under its id': async ({ store }, id) => {
    await store.delete(id)
    await store.create(newSession({ id, secretHash: other, userId: 'grace', set: { n: 'another' } }))
  },
  'a table that was rewritten, as it was': ({ pool }) => pool.query('VACUUM FULL sessions'),
  'rows that were frozen, as they were': ({ pool }) => pool.query('VACUUM FREEZE sessions')
}

for (const [name, change] of Object.entries(CHANGES)) {
  t.test(`the next view sees ${name}, alone and among others`, async (t) => {
    const opened = await open(t)
    const { store, viewer } = opened
    const id = newId()
    await store.create(newSession({ id, secretHash: hash, userId: 'ada', set: CONTENTS }))
    const others = await Promise.all(upTo(3).map((n) => store.create(newSession({ set: { n } }))))
    const viewAll = (): Promise<Array<SessionRecord | null>> => Promise.all([id, ...others.map((session) => session.id), newId()].map((id) => viewer.view(id)))
    const check = async (views: ReadonlyArray<SessionRecord | null>): Promise<void> => {
      const [view = null, ...more] = views
      const now = await store.get(id)
      t.same(view && facts(view), now && facts(now))
      t.same(more.map((record) => record?.values), [...upTo(3).map((n) => ({ n })), undefined])
    }
    await know(t, viewer, id)
    await change(opened, id)
    await check([await viewer.view(id), ...(await viewAll()).slice(1)])
    await check(await viewAll())
    await check(await viewAll())
  })
}

t.test('rows of one transaction are told apart', async (t) => {
  const { pool, viewer } = await open(t)
  const ids = upTo(8).map(() => newId())
  await pool.query(`INSERT INTO sessions (id, secret_hash, "values", expires_at, absolute_expires_at)
    SELECT id, decode(repeat('ab', 32), 'hex'), jsonb_build_object('id', id), now() + interval '1 hour', now() + interval '1 day' FROM unnest($1::uuid[]) AS i (id)`, [ids])
  for (const time of upTo(4)) {
    const views = await Promise.all(ids.map((id) => viewer.view(id)))
    t.same(views.map((record) => record?.values), ids.map((id) => ({ id })), `time ${time}`)
    t.equal(new Set(views.map((record) => record?.values)).size, ids.length)
  }
})

t.test('a save on a record that was known is a save on what is stored', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const known = await know(t, viewer, id)
  await store.save(id, known.secretHash, put({ elsewhere: true }))
  const saves = await Promise.all([viewer.saveSeen(known, put({ n: 2 })), viewer.saveSeen(known, put({ m: 3 }))])
  t.ok(saves.every((saved) => saved !== null))
  t.same(found(await viewer.view(id)).values, { ...CONTENTS, n: 2, m: 3, elsewhere: true })
})

t.test('attack: another server, to which a new connection leads and whose transactions bear the same numbers, is not believed that a row is as it was', async (t) => {
  const { store, viewer, own } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const known = await know(t, viewer, id)
  const taken = await Promise.all(upTo(own.totalCount).map(() => own.connect()))
  t.teardown(() => { for (const client of taken) client.release() })
  const count = own.totalCount
  const after = found(await viewer.view(id))
  t.equal(own.totalCount, count + 1, 'the statement went out on a connection that was made for it')
  t.not(after.values, known.values, 'and what the record was on the others was not asked for there')
  t.same(after.values, CONTENTS)
  const [one, two] = await Promise.all([viewer.view(id), viewer.view(id)])
  t.equal(found(one).values, found(two).values)
  t.not(found(one).values, known.values)
})

t.test('attack: nor is it in a batch: what the first answer does not tell is read anew, and nobody is signed out', async (t) => {
  const { store, viewer, own } = await open(t)
  const sessions = await Promise.all(upTo(3).map((n) => store.create(newSession({ set: { n } }))))
  const known = await Promise.all(sessions.slice(0, 2).map(async ({ id }) => await know(t, viewer, id)))
  for (const { id } of known) await know(t, viewer, id) // with all connections that two at once have made
  const taken = await Promise.all(upTo(own.totalCount).map(() => own.connect()))
  t.teardown(() => { for (const client of taken) client.release() })
  const count = own.totalCount
  const before = await Promise.all(known.map(async ({ id }) => found(await store.get(id))))
  const views = await Promise.all(sessions.map(({ id }) => viewer.view(id)))
  t.equal(own.totalCount, count + 1)
  t.same(views.map((record) => record?.values), upTo(3).map((n) => ({ n })))
  for (const [n, view] of views.slice(0, 2).entries()) {
    t.not(found(view).values, known[n]?.values)
    t.same(facts(found(view)), facts(found(before[n] ?? null)))
  }
})

t.test('attack: behind a pooler, which may lead to any server, nothing is known', async (t) => {
  const { store, viewer } = await open(t, { pooler: 'transaction' })
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const known = await viewOften(viewer, id)
  t.not(found(await viewer.view(id)).values, known.values)
})

t.test('what is large, or of many parts, or nested as only a hand can, is not kept, alone or among others that are', async (t) => {
  const { store, pool, viewer } = await open(t)
  // apart from each other by the beginning of their ids: of two that begin alike neither may be kept
  const begin = (n: number, set: JsonObject): Promise<SessionRecord> => store.create(newSession({ id: `${String(n).padStart(4, '0')}${newId().slice(4)}`, set }))
  const [large, many, deep] = await Promise.all([begin(1, { text: 'x'.repeat(4_096) }), begin(2, { list: Array(64).fill(0) }), begin(3, {})])
  await pool.query('UPDATE sessions SET "values" = $2 WHERE id = $1', [deep.id, `{"deep": ${'['.repeat(2_000)}${']'.repeat(2_000)}}`])
  const usual = await Promise.all(upTo(15).map((n) => begin(10 + n, n === 0 ? { text: 'x'.repeat(4_000) } : { list: Array(n * 4).fill(n) })))
  const ids = [...usual, large, many, deep].map(({ id }) => id)
  const viewAll = (): Promise<SessionRecord[]> => Promise.all(ids.map(async (id) => found(await viewer.view(id))))
  await viewAll()
  await viewAll()
  const before = await viewAll()
  const after = await viewAll()
  t.same(after.map(({ values }, n) => values === before[n]?.values), [...usual.map(() => true), false, false, false])
  for (const { id } of [large, many, deep]) {
    const known = await viewOften(viewer, id)
    t.not(found(await viewer.view(id)).values, known.values)
  }
  t.same(found(await viewer.view(large.id)).values, found(await store.get(large.id)).values)
})

t.test('nothing is kept for longer than its time', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const record = await viewer.view(id) as RowRecord
  const recent = new RecentRecords(1)
  recent.note(record, 0)
  recent.note(record, 0)
  t.equal(recent.find(id, 0)?.values, record.values)
  await until('it is forgotten', async () => recent.find(id, 0) === null)
  recent.note(record, 0)
  t.equal(recent.find(id, 0)?.values, record.values, 'and kept again at once, when it is as it was')
  t.equal(recent.find(id, 1), null, 'until another connection is made')
  t.equal(recent.find(id, 0), null)
})

t.test('a record that was kept goes when the row has turned out to be another', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const record = found(await viewer.view(id))
  const recent = new RecentRecords()
  for (const writer of ['100', '100']) recent.note(new RowRecord(record, writer), 0)
  t.not(recent.find(id, 0), null)
  recent.note(new RowRecord(record, '101'), 0)
  t.equal(recent.find(id, 0), null)
})

t.test('a record whose transaction the server does not tell is not kept', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const record = found(await viewer.view(id))
  const recent = new RecentRecords()
  for (const writer of [null, '0']) {
    for (const time of upTo(3)) t.equal(recent.note(new RowRecord(record, writer), 0).id, id, `time ${time}`)
    t.equal(recent.find(id, 0), null)
  }
})

t.test('what a save is told of a session that was known is the news alone, and it can be saved again', async (t) => {
  const { store, viewer } = await open(t)
  const [a, b] = await Promise.all(upTo(2).map(() => store.create(newSession({ set: CONTENTS }))))
  const known = await Promise.all([a, b].map(async (session) => await know(t, viewer, found(session).id)))
  const saved = await Promise.all(known.map((record) => viewer.saveSeen(record, put({ n: 2 }))))
  t.ok(saved.every((news) => news !== null && !('id' in news) && news.savedAt instanceof Date))
  for (const { id } of known) t.same(found(await viewer.view(id)).values, { ...CONTENTS, n: 2 })
})

t.test('whoever patches get sees what is viewed, too', async (t) => {
  const { store, viewer } = await open(t)
  const { id } = await store.create(newSession({ set: CONTENTS }))
  const seen: string[] = []
  const { get } = viewer
  viewer.get = async (id) => {
    seen.push(id)
    return await get.call(viewer, id)
  }
  t.same(found(await viewer.view(id)).values, CONTENTS)
  t.same(seen, [id])
})
