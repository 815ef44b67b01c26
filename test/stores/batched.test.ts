import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { newId } from '../../src/core/credential.js'
import type { SessionRecord, Store } from '../../src/session/store.js'
import { batched, type BatchedStore } from '../../src/stores/batched.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { type RecordingStore, recordingStore } from '../helpers/pg-bulk-store.js'
import { found, freshHash, newSession, put, SLIDE, until, upTo } from '../helpers/pg-store.js'

function open (options?: { readonly deadlineMs?: number, readonly slowMs?: number }): { readonly inner: RecordingStore, readonly store: BatchedStore } {
  const inner = recordingStore(new MemoryStore())
  return { inner, store: batched(inner, options) }
}

const begin = (store: Store, count: number): Promise<SessionRecord[]> => Promise.all(upTo(count).map((n) => store.create(newSession({ set: { n } }))))
/** Lets everything that is queued in this tick go out. */
const tick = (): Promise<void> => new Promise((resolve) => { setImmediate(() => { setImmediate(resolve) }) })

/** Asks for each in a tick of its own. */
async function aTickEach<T> (sessions: readonly SessionRecord[], ask: (session: SessionRecord) => Promise<T>): Promise<Array<Promise<T>>> {
  const answers: Array<Promise<T>> = []
  for (const session of sessions) {
    answers.push(ask(session))
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  return answers
}

void t.test('loads of one tick go out as one, each id once, each caller with a record of its own', async (t) => {
  const { inner, store } = open()
  const [a, b] = await begin(store, 2)
  const ids = [found(a).id, found(b).id, newId()]
  const records = await Promise.all([...ids, ...ids].map((id) => store.get(id)))
  t.same(inner.calls, ['getMany 3'])
  t.same(records.map((record) => record?.values), [{ n: 0 }, { n: 1 }, undefined, { n: 0 }, { n: 1 }, undefined])
  t.equal(records[2], null)
  t.not(records[0], records[3])
  t.not(records[0]?.values, records[3]?.values)
})

void t.test('a lone load and a lone save use the plain methods', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  await store.get(id)
  await store.save(id, secretHash, SLIDE)
  t.same(inner.calls, ['get 1', 'save 1'])
})

void t.test('a read never joins a batch that was already sent', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  inner.hold()
  const early = [store.get(id), store.get(id)]
  await tick()
  t.same(inner.calls, ['getMany 1'])
  const late = store.get(id)
  await tick()
  t.same(inner.calls, ['getMany 1', 'get 1'])
  inner.letGo()
  await Promise.all([...early, late])
  await store.save(id, secretHash, put({ n: 'new' }))
  t.same((await store.get(id))?.values, { n: 'new' })
})

void t.test('with two batches of loads under way, or one of saves, what comes next gathers for one', async (t) => {
  const { inner, store } = open({ slowMs: 60_000 })
  const sessions = await begin(store, 12)
  inner.hold()
  const loads = await aTickEach(sessions, ({ id }) => store.get(id))
  t.same(inner.calls, ['get 1', 'get 1'])
  inner.letGo()
  await Promise.all(loads)
  t.same(inner.calls.splice(0), ['get 1', 'get 1', 'getMany 10'])
  inner.hold()
  const saves = await aTickEach(sessions, ({ id, secretHash }) => store.save(id, secretHash, put({ n: 'new' })))
  t.same(inner.calls, ['save 1'])
  inner.letGo()
  await Promise.all(saves)
  t.same(inner.calls, ['save 1', 'saveMany 11'])
})

void t.test('batches that stand still do not hold up the others for long', async (t) => {
  const { inner, store } = open()
  inner.hold()
  const [a, b] = await begin(store, 2)
  const stuck: Array<Promise<unknown>> = []
  for (const count of [1, 2, 3, 4]) {
    stuck.push(store.get(newId()))
    await until('it goes out all the same', async () => inner.calls.length === count)
  }
  stuck.push(store.save(found(a).id, found(a).secretHash, SLIDE))
  await until('a save is under way', async () => inner.calls.length === 5)
  stuck.push(store.save(found(b).id, found(b).secretHash, SLIDE))
  await until('the other goes out all the same', async () => inner.calls.length === 6)
  inner.letGo()
  t.equal((await Promise.all(stuck)).length, 6)
})

void t.test('a batch holds half of what waits or is under way, 16 in any case, and 128 at most', async (t) => {
  const { inner, store } = open({ slowMs: 60_000 })
  for (const [count, sizes] of [[16, [16]], [17, [16, 1]], [60, [30, 30]], [300, [128, 128, 22, 22]]] as const) {
    await Promise.all(upTo(count).map(() => store.get(newId())))
    t.same(inner.calls.splice(0), sizes.map((size) => size === 1 ? 'get 1' : `getMany ${size}`), `${count} loads`)
  }
  const sessions = await begin(store, 40)
  await Promise.all(sessions.map(({ id, secretHash }) => store.save(id, secretHash, SLIDE)))
  t.same(inner.calls, ['saveMany 20', 'saveMany 16', 'saveMany 4'])
})

void t.test('saves of one session are merged in order; of each key the last word counts', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  const saved = await Promise.all([
    store.save(id, secretHash, put({ k: 1, gone: 1 })),
    store.save(id, secretHash, { ...put({ m: 1 }), unset: ['k', 'gone'], idleSeconds: 60 }),
    store.save(id, secretHash, SLIDE),
    store.save(id, secretHash, { ...put({ k: 2 }), idleSeconds: 90 })
  ])
  t.same(inner.calls, ['saveMany 1'])
  t.match(inner.entries, [{ change: { set: { m: 1, k: 2 }, unset: ['gone'], idleSeconds: 90 }, changes: 3 }])
  for (const record of saved) t.same(record?.values, { n: 0, m: 1, k: 2 })
  t.not(saved[0]?.values, saved[1]?.values, 'each caller gets a record of its own')
})

void t.test('the record that a save is made on goes along, but not with another save of the session', async (t) => {
  const { inner, store } = open()
  const [a, b] = await begin(store, 2)
  await Promise.all([store.saveSeen(found(a), put({ n: 1 })), store.saveSeen(found(b), put({ n: 1 })), store.saveSeen(found(b), put({ n: 2 }))])
  t.same(inner.entries.splice(0).map(({ seen }) => seen), [a, undefined])
  await Promise.all([store.saveSeen(found(a), SLIDE), store.save(found(b).id, found(b).secretHash, SLIDE)])
  t.same(inner.entries.map(({ seen }) => seen), [a, undefined])
})

void t.test('a key called __proto__ is merged as a key', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  await Promise.all([store.save(id, secretHash, put(JSON.parse('{"__proto__":{"polluted":1}}'))), store.save(id, secretHash, put({ m: 1 }))])
  t.same(Object.keys(inner.entries[0]?.change.set ?? {}), ['__proto__', 'm'])
  t.equal(Reflect.get({}, 'polluted'), undefined)
})

void t.test('attack: a save under another secret is never merged into the owner\'s', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  const answers = await Promise.all([
    store.save(id, secretHash, put({ mine: 1 })), store.save(id, freshHash(), put({ stolen: 1 })), store.save(id, secretHash, put({ mine: 2 }))
  ])
  t.same(answers.map((record) => record?.values), [{ n: 0, mine: 1 }, undefined, { n: 0, mine: 2 }])
  t.same(inner.calls, ['save 1', 'save 1', 'save 1'])
})

void t.test('a session is in one batch at a time; what comes meanwhile waits and is merged', async (t) => {
  const { inner, store } = open()
  const [a, b] = await begin(store, 2)
  const { id, secretHash } = found(a)
  inner.hold()
  const saves = [store.save(id, secretHash, put({ a: 1 }))]
  await tick()
  saves.push(store.save(id, secretHash, put({ b: 1 })), store.save(id, secretHash, put({ c: 1 })), store.save(found(b).id, found(b).secretHash, SLIDE))
  await until('the other session goes out', async () => inner.calls.length === 2)
  t.same(inner.calls, ['save 1', 'save 1'])
  inner.letGo()
  await Promise.all(saves)
  t.same(inner.calls, ['save 1', 'save 1', 'saveMany 1'])
  t.same((await store.get(id))?.values, { n: 0, a: 1, b: 1, c: 1 })
})

void t.test('what a batch leaves out is saved alone, and only that says "gone"', async (t) => {
  const { inner, store } = open()
  const [a, b, c] = await begin(store, 3)
  inner.locked.add(found(a).id)
  await store.delete(found(c).id)
  const answers = await Promise.all([a, b, c].map((session, n) => store.save(found(session).id, found(session).secretHash, put({ saved: n }))))
  t.same(answers.map((record) => record?.values['saved']), [0, 1, undefined])
  t.same(inner.calls, ['saveMany 3', 'save 1', 'save 1'])
})

void t.test('a merged change that is too large fails for the guilty part alone', async (t) => {
  const { store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  const settled = await Promise.allSettled([put({ a: 1 }), put({ big: 'x'.repeat(300_000) }), put({ b: 1 })].map((change) => store.save(id, secretHash, change)))
  t.same(settled.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  t.match(settled[1], { reason: { code: 'ERR_SESSION_TOO_LARGE' } })
  t.same((await store.get(id))?.values, { n: 0, a: 1, b: 1 })
})

void t.test('a batch that fails for what one entry holds is tried one by one', async (t) => {
  const { inner, store } = open()
  const sessions = await begin(store, 3)
  inner.failNext(new Error('data'), true)
  const answers = await Promise.all(sessions.map(({ id, secretHash }) => store.save(id, secretHash, put({ saved: true }))))
  t.ok(answers.every((record) => record?.values['saved'] === true))
  t.same(inner.calls, ['saveMany 3', 'save 1', 'save 1', 'save 1'])
})

void t.test('with a lost connection every caller of the batch gets ERR_STORE, and the next batch is sent', async (t) => {
  const { inner, store } = open()
  const sessions = await begin(store, 3)
  inner.failNext(new Error('connection lost'), false)
  await Promise.all(sessions.map(({ id, secretHash }) => t.rejects(store.save(id, secretHash, put({ a: 1 })), { code: 'ERR_STORE' })))
  t.same(inner.calls, ['saveMany 3'])
  inner.failNext(new Error('connection lost'), false)
  await Promise.all(sessions.map(({ id }) => t.rejects(store.get(id), { code: 'ERR_STORE' })))
  inner.failNext(new Error('connection lost'), false)
  await t.rejects(store.get(found(sessions[0]).id), { code: 'ERR_STORE' })
  const answers = await Promise.all(sessions.map(({ id, secretHash }) => store.save(id, secretHash, put({ a: 1 }))))
  t.ok(answers.every((record) => record?.values['a'] === 1))
})

void t.test('time spent in the queue counts towards the deadline', async (t) => {
  const { inner, store } = open({ deadlineMs: 1_000 })
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  inner.hold()
  const first = store.save(id, secretHash, put({ a: 1 }))
  await tick()
  const from = performance.now()
  const second = store.save(id, secretHash, put({ b: 1 }))
  await until('some time has passed', async () => performance.now() - from > 200)
  inner.letGo()
  await Promise.all([first, second])
  const [one = 0, two = 0] = inner.budgets
  t.ok(one > 900 && one <= 1_000, `${one} ms for the first`)
  t.ok(two <= 800, `${two} ms for the second`)
})

void t.test('what the caller does with its change afterwards changes nothing', async (t) => {
  const { store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash } = found(a)
  const hash = Uint8Array.from(secretHash)
  const change = { set: { a: 1 }, unset: ['n'], idleSeconds: 60 }
  const saving = [store.save(id, hash, change), store.save(id, secretHash, SLIDE)]
  hash.fill(0)
  change.set.a = 2
  change.unset.pop()
  await Promise.all(saving)
  t.same((await store.get(id))?.values, { a: 1 })
})

void t.test('changes with renew or maxAge, and all other methods, pass straight through', async (t) => {
  const { inner, store } = open()
  const [a] = await begin(store, 1)
  const { id, secretHash, version } = found(a)
  const renewed = newSession({ userId: 'ada' })
  await store.save(id, secretHash, { ...SLIDE, maxAge: 60 })
  await store.save(id, secretHash, { ...SLIDE, renew: { ...renewed, keep: [] } })
  t.same(inner.calls, ['save 1', 'save 1'])
  t.equal(await store.compareAndSave(renewed.id, renewed.secretHash, version, SLIDE), 'conflict')
  t.ok(await store.block(renewed.id, 'why') && await store.unblock(renewed.id) && await store.delete(renewed.id))
  t.same([await store.listByUser('ada'), await store.deleteByUser('ada'), await store.setClaims('ada', {}), await store.cleanup()], [[], [], 0, 0])
  t.equal(inner.calls.length, 2)
})

void t.test('close waits for what is queued', async (t) => {
  const { inner, store } = open()
  const sessions = await begin(store, 3)
  inner.hold()
  const saves = sessions.flatMap(({ id, secretHash }) => [store.save(id, secretHash, put({ a: 1 })), store.save(id, secretHash, put({ b: 1 }))])
  let closed = false
  const closing = store.close().then(() => { closed = true })
  await tick()
  t.equal(closed, false)
  inner.letGo()
  await closing
  t.ok((await Promise.all(saves)).every((record) => record !== null))
})

void t.test('who has waited long behind another of its session hurries nobody: it goes with those that have waited as long', async (t) => {
  const { inner, store } = open({ deadlineMs: 300, slowMs: 10_000 })
  const [a, b, c] = await begin(store, 3)
  const save = ({ id, secretHash }: SessionRecord): Promise<SessionRecord | null> => store.save(id, secretHash, put({ x: 1 }))
  inner.hold()
  const saves = [save(found(a))]
  await tick()
  saves.push(save(found(a)))
  await pause(60) // more than a tenth of the deadline
  saves.push(save(found(b)), save(found(c)), save(found(a)))
  inner.letGo()
  t.ok((await Promise.all(saves)).every((record) => record !== null))
  t.same(inner.calls, ['save 1', 'save 1', 'saveMany 3'])
  t.ok(Number(inner.budgets.at(-1)) > 240, `left for the batch: ${inner.budgets.at(-1)} ms`)
})

void t.test('nor does a load that has waited long', async (t) => {
  const { inner, store } = open({ deadlineMs: 300, slowMs: 10_000 })
  const sessions = await begin(store, 5)
  const [a, b, c, d, e] = sessions.map(({ id }) => id)
  inner.hold()
  const loads = await aTickEach([found(sessions[0]), found(sessions[1])], ({ id }) => store.get(id))
  await tick()
  t.same(inner.calls, ['get 1', 'get 1'])
  loads.push(store.get(c ?? ''))
  await pause(60)
  loads.push(store.get(d ?? ''), store.get(e ?? ''))
  inner.letGo()
  t.same((await Promise.all(loads)).map((record) => record?.id), [a, b, c, d, e])
  t.same(inner.calls, ['get 1', 'get 1', 'get 1', 'getMany 2'])
})
