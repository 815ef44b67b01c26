import t from 'tap'
import { MemoryStore, type MemoryStoreOptions } from '../../../src/stores/memory/store.js'
import { begin, DAY, HOUR, MINUTE, slide } from '../../../src/testing/fixtures.js'
import { storeContract } from '../../../src/testing/index.js'
import { memoryHarness, standingClock } from '../../helpers/memory-harness.js'

const setUp = (maxSessions: number) => {
  const clock = standingClock()
  return { clock, store: new MemoryStore({ clock: clock.now, maxSessions }) }
}

await t.test('keeps the contract of a store', async (t) => {
  storeContract({ test: (title, law) => t.test(title, law), open: () => memoryHarness() })
})

await t.test('when full, the expired sessions go first, however recently they were seen', async (t) => {
  const { clock, store } = setUp(3)
  const oldest = await begin(store, { idleSeconds: DAY, absoluteSeconds: DAY })
  clock.advance(1)
  const expired = [await begin(store, { idleSeconds: MINUTE }), await begin(store, { idleSeconds: MINUTE })]
  clock.advance(HOUR)
  const next = await begin(store, { idleSeconds: DAY })
  t.ok(await store.get(oldest.id))
  t.ok(await store.get(next.id))
  t.equal(await store.cleanup(), 0, 'the expired ones are gone already')
  for (const { id } of expired) t.equal(await store.get(id), null)
})

await t.test('when full of living sessions, the least recently seen goes, and no other', async (t) => {
  const { clock, store } = setUp(3)
  const [a, b, c] = [await begin(store), await begin(store), await begin(store)]
  clock.advance(1)
  await store.save(a.id, a.secretHash, slide())
  await store.get(b.id)
  const d = await begin(store)
  t.equal(await store.get(b.id), null, 'a read is no use')
  for (const { id } of [a, c, d]) t.ok(await store.get(id))
  const e = await begin(store)
  t.equal(await store.get(c.id), null)
  for (const { id } of [a, d, e]) t.ok(await store.get(id))
})

await t.test('a sign-in on a full store takes the place of the session that it replaces', async (t) => {
  const { store } = setUp(2)
  const [visitor, neighbour] = [await begin(store), await begin(store)]
  const user = await begin(store, { userId: 'ada', replaces: { ...visitor, carry: {} } })
  t.ok(await store.get(neighbour.id))
  t.ok(await store.get(user.id))
})

await t.test('a session refused for its size pushes none out', async (t) => {
  const { store } = setUp(1)
  const { id } = await begin(store)
  await t.rejects(begin(store, { set: { a: 'x'.repeat(300_000) } }), { code: 'ERR_SESSION_TOO_LARGE' })
  t.ok(await store.get(id))
})

await t.test('10,000 sessions fit without options, and not one more', async (t) => {
  const store = new MemoryStore()
  const first = await begin(store)
  for (let n = 1; n < 10_000; n++) await begin(store)
  t.ok(await store.get(first.id))
  await begin(store)
  t.equal(await store.get(first.id), null)
})

await t.test('256 KiB of values are stored, one byte more is refused', async (t) => {
  const store = new MemoryStore()
  const most = 256 * 1024 - '{"a":""}'.length
  t.ok(await begin(store, { set: { a: 'x'.repeat(most) } }))
  await t.rejects(begin(store, { set: { a: 'x'.repeat(most + 1) } }), { code: 'ERR_SESSION_TOO_LARGE' })
  await t.rejects(begin(store, { set: { a: 'x'.repeat(most - 1) + 'ü' } }), { code: 'ERR_SESSION_TOO_LARGE' })
})

await t.test('the machine\'s clock is the default', async (t) => {
  const { readAt } = await begin(new MemoryStore())
  t.ok(Math.abs(readAt.getTime() - Date.now()) < 60_000)
})

await t.test('refuses to be constructed with NODE_ENV=production', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  process.env['NODE_ENV'] = 'production'
  t.throws(() => new MemoryStore(), { name: 'TypeError', message: /NODE_ENV=production/ })
  process.env['NODE_ENV'] = 'development'
  t.doesNotThrow(() => new MemoryStore())
})

await t.test('options are checked, and the message names the option', async (t) => {
  const refuse = (options: object, message: RegExp) => t.throws(() => new MemoryStore(options), { name: 'TypeError', message })
  for (const maxSessions of [0, -1, 1.5, NaN, Infinity, '100', null]) refuse({ maxSessions }, /"maxSessions"/)
  for (const clock of [null, 0, 'now', new Date()]) refuse({ clock }, /"clock"/)
  refuse({ maxSession: 5 }, /"maxSession".*"maxSessions"/)
  const options: MemoryStoreOptions = Object.freeze({ maxSessions: 1, clock: () => new Date() })
  t.doesNotThrow(() => new MemoryStore(options))
})

await t.test('a batch of cleanup has one session at least', async (t) => {
  for (const batchSize of [0, -1, 0.5, NaN]) {
    await t.rejects(new MemoryStore().cleanup({ batchSize }), { name: 'TypeError', message: /"batchSize"/ })
  }
})
