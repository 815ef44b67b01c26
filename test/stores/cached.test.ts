import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { newId } from '../../src/core/credential.js'
import { cached } from '../../src/stores/cached.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { renewal } from '../../src/testing/fixtures.js'
import { found, freshHash, newSession, put, SLIDE, upTo } from '../helpers/pg-store.js'
import { type WatchedMemory, watchedMemory } from '../helpers/watched-store.js'

function open (maxEntries?: number): WatchedMemory {
  const memory = watchedMemory(maxEntries)
  memory.becomeWhole()
  return memory
}

void t.test('a session that is kept is asked for once, and each caller gets a record of its own', async (t) => {
  const { store, inner, elsewhere } = open()
  const { id, secretHash } = await elsewhere.create(newSession({ userId: 'ada', set: { cart: [1] }, claims: { roles: ['user'] }, maxAge: 60, userAgent: 'x', clientIp: '::1' }))
  const first = found(await store.get(id))
  const second = found(await store.get(id))
  t.same(inner.calls, ['get 1'])
  t.strictSame(second, first)
  for (const record of [first, second]) {
    record.secretHash.fill(0)
    record.expiresAt.setTime(0)
    record.readAt.setTime(0)
    Reflect.set(record.values, 'cart', 'spoilt')
    Reflect.set(record.claims, 'isAdmin', true)
  }
  t.match(await store.get(id), { values: { cart: [1] }, claims: { roles: ['user'], isAdmin: undefined }, secretHash })
  t.same(await store.get(id), await elsewhere.get(id))
  t.same(inner.calls, ['get 1'])
})

void t.test('who changes nothing of a record is given what is kept, as of now and frozen, as long as it would be read', async (t) => {
  const { store, inner, elsewhere, sink, advance } = open()
  const { id, secretHash } = await elsewhere.create(newSession({ userId: 'ada', set: { cart: [1] }, claims: { roles: ['user'] } }))
  await store.view(id)
  const first = found(await store.view(id))
  advance(500)
  const second = found(await store.view(id))
  t.same(inner.calls, ['get 1'])
  t.equal(second.values, first.values)
  t.equal(second.readAt.getTime() - first.readAt.getTime(), 500)
  t.strictSame({ ...second, readAt: first.readAt }, first)
  for (const part of [second.values, second.values['cart'], second.claims, second.claims.roles]) t.ok(Object.isFrozen(part))
  const own = found(await store.get(id))
  own.secretHash.fill(0)
  own.expiresAt.setTime(0)
  t.strictSame(found(await store.view(id)).secretHash, new Uint8Array(secretHash), 'what get gives is the caller\'s own')
  sink.changed(id, null)
  await store.view(id)
  t.same(inner.calls, ['get 1', 'get 1'], 'and what is told drops it')
  advance(3_600_000)
  t.equal(await store.view(id), null, 'as does its end')
})

void t.test('whoever patches get sees what is viewed, too', async (t) => {
  const { store, elsewhere } = open()
  const { id } = await elsewhere.create(newSession())
  const seen: string[] = []
  const get = store.get.bind(store)
  store.get = async (id) => {
    seen.push(id)
    return await get(id)
  }
  t.ok(await store.view(id))
  t.same(seen, [id])
})

void t.test('that there is no such session is not remembered', async (t) => {
  const { store, inner, elsewhere } = open()
  const session = newSession()
  t.equal(await store.get(session.id), null)
  await elsewhere.create(session)
  t.ok(await store.get(session.id))
  t.same(inner.calls, ['get 1', 'get 1'])
})

void t.test('what is told of a session drops what is kept of it, unless that is of the version told or later', async (t) => {
  const { store, inner, elsewhere, sink } = open()
  const { id, secretHash } = await elsewhere.create(newSession())
  await store.get(id)
  const { version } = found(await elsewhere.save(id, secretHash, put({ a: 1 })))
  sink.changed(id, version - 1)
  t.same(found(await store.get(id)).values, {}, 'nothing was told yet')
  sink.changed(newId(), null)
  t.same(found(await store.get(id)).values, {}, 'of another')
  sink.changed(id, version)
  t.same(found(await store.get(id)).values, { a: 1 })
  t.equal(inner.calls.length, 2)
  sink.changed(id, version)
  await store.get(id)
  t.equal(inner.calls.length, 2, 'it is known')
  sink.changed(id, null)
  await store.get(id)
  t.equal(inner.calls.length, 3)
  sink.changed(null, null)
  await store.get(id)
  t.equal(inner.calls.length, 4, 'of all')
})

void t.test('a load that began before a change was told is not kept, in whatever way it was told', async (t) => {
  const tell: Array<(memory: WatchedMemory, id: string, version: number) => void> = [
    ({ sink }, id) => { sink.changed(id, null) },
    ({ sink }, id, version) => { sink.changed(id, version + 1) },
    ({ sink }) => { sink.changed(null, null) },
    ({ breakFeed, becomeWhole }) => { breakFeed(); becomeWhole() }
  ]
  for (const [n, told] of tell.entries()) {
    const memory = open()
    const { store, inner, elsewhere } = memory
    const { id, version } = await elsewhere.create(newSession())
    inner.hold()
    const loads = [store.get(id), store.get(id)]
    told(memory, id, version)
    inner.letGo()
    await Promise.all(loads)
    t.equal(store.size, 0, `way ${n}`)
    await store.get(id)
    t.equal(store.size, 1)
  }
})

void t.test('a load that began before a change was told is kept where it brings that change', async (t) => {
  const { store, inner, elsewhere, sink } = open()
  const { id, secretHash } = await elsewhere.create(newSession())
  inner.hold()
  const load = store.get(id)
  const { version } = found(await elsewhere.save(id, secretHash, put({ a: 1 })))
  sink.changed(id, version)
  inner.letGo()
  t.same(found(await load).values, { a: 1 })
  t.equal(store.size, 1)
})

void t.test('before the feed is whole nothing is kept, nor of a load that began then', async (t) => {
  const { store, inner, elsewhere, becomeWhole } = watchedMemory()
  const { id } = await elsewhere.create(newSession())
  await store.get(id)
  t.equal(store.size, 0)
  inner.hold()
  const load = store.get(id)
  becomeWhole()
  inner.letGo()
  await load
  t.equal(store.size, 0)
  await store.get(id)
  t.equal(store.size, 1)
})

void t.test('while the feed is broken every load goes to the store, and what was kept is forgotten', async (t) => {
  const { store, inner, elsewhere, breakFeed, becomeWhole } = open()
  const { id } = await elsewhere.create(newSession())
  await store.get(id)
  breakFeed()
  t.equal(store.size, 0)
  await elsewhere.delete(id)
  t.equal(await store.get(id), null)
  becomeWhole()
  t.equal(await store.get(id), null)
  t.equal(inner.calls.length, 3)
})

void t.test('once nothing has been heard for the bound, nothing that is kept is served', async (t) => {
  const { store, elsewhere, sink, advance } = open()
  const { id } = await elsewhere.create(newSession())
  await store.get(id)
  await elsewhere.delete(id)
  advance(999, { silent: true })
  t.ok(await store.get(id), 'the bound allows it')
  advance(1, { silent: true })
  t.equal(await store.get(id), null)
  const { id: other } = await elsewhere.create(newSession())
  await store.get(other)
  sink.changed(other, null) // comes late, as what it tells of did
  advance(1)
  t.ok(await store.get(other))
  t.equal(store.size, 1, 'and when it is heard from again, it is used again')
})

void t.test('what is done through the store itself is seen by it at once', async (t) => {
  const { store, inner } = open()
  const { id, secretHash, version } = await store.create(newSession({ userId: 'ada' }))
  t.ok(await store.get(id))
  await store.save(id, secretHash, put({ a: 1 }))
  t.same(found(await store.get(id)).values, { a: 1 })
  await store.compareAndSave(id, secretHash, version + 1, put({ a: 2 }))
  t.same(found(await store.get(id)).values, { a: 2 })
  t.notOk(inner.calls.includes('get 1'), 'what a save brought is kept')
  await store.setClaims('ada', { isAdmin: true })
  t.equal(found(await store.get(id)).claims.isAdmin, true)
  await store.block(id, 'test')
  t.equal(await store.get(id), null)
  await store.unblock(id)
  t.ok(await store.get(id))
  const { renew } = { renew: renewal() }
  await store.save(id, secretHash, { ...SLIDE, renew })
  t.equal(await store.get(id), null)
  t.ok(await store.get(renew.id))
  const next = await store.create(newSession({ userId: 'ada', replaces: { id: renew.id, secretHash: renew.secretHash, carry: null } }))
  t.equal(await store.get(renew.id), null)
  await store.get(next.id)
  await store.create(newSession({ userId: 'ada', atMost: 1 }))
  t.equal(await store.get(next.id), null)
  for (const end of [() => store.deleteByUser('ada'), (id: string) => store.delete(id)]) {
    const { id } = await store.create(newSession({ userId: 'ada' }))
    await store.get(id)
    await end(id)
    t.equal(await store.get(id), null)
  }
})

void t.test('a load that is under way while the session is changed through the store is not kept', async (t) => {
  const { store, inner, elsewhere } = open()
  const acts: Array<(id: string, secretHash: Uint8Array) => Promise<unknown>> = [
    (id) => store.block(id, 'test'),
    (id) => store.delete(id),
    () => store.deleteByUser('ada'),
    () => store.setClaims('ada', { isAdmin: true }),
    (id, secretHash) => store.save(id, secretHash, { ...SLIDE, renew: renewal() })
  ]
  for (const [n, act] of acts.entries()) {
    const { id, secretHash } = await elsewhere.create(newSession({ userId: 'ada' }))
    const before = store.size
    inner.hold()
    const load = store.get(id)
    const acted = act(id, secretHash)
    inner.letGo()
    await Promise.all([load, acted])
    t.equal(store.size, before, `act ${n}`)
  }
})

void t.test('what was loaded while an end, a block or a change was on its way is forgotten when that is done', async (t) => {
  const { store, inner } = open()
  let goOn = Promise.resolve()
  const { block, delete: remove, deleteByUser, setClaims, create } = inner
  inner.block = async (...given) => { await goOn; return await block(...given) }
  inner.delete = async (...given) => { await goOn; return await remove(...given) }
  inner.deleteByUser = async (...given) => { await goOn; return await deleteByUser(...given) }
  inner.setClaims = async (...given) => { await goOn; return await setClaims(...given) }
  inner.create = async (...given) => { await goOn; return await create(...given) }
  const acts: Array<(id: string, secretHash: Uint8Array) => Promise<unknown>> = [
    (id) => store.block(id, 'test'),
    (id) => store.delete(id),
    () => store.deleteByUser('ada'),
    () => store.setClaims('ada', { isAdmin: true }),
    (id, secretHash) => store.create(newSession({ replaces: { id, secretHash, carry: null } })),
    () => store.create(newSession({ userId: 'ada', atMost: 1 }))
  ]
  for (const [n, act] of acts.entries()) {
    await store.deleteByUser('ada')
    const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
    let letGo = (): void => {}
    goOn = new Promise((resolve) => { letGo = resolve })
    const acted = act(id, secretHash)
    const before = await store.get(id)
    letGo()
    await acted
    t.notSame(await store.get(id), before, `act ${n}`)
    goOn = Promise.resolve()
  }
})

void t.test('what a save has brought is known, also when it is not kept any more', async (t) => {
  const { store, inner, elsewhere } = open(1)
  const { id, secretHash } = await elsewhere.create(newSession())
  const { id: other } = await elsewhere.create(newSession())
  const old = found(await elsewhere.get(id))
  let letGo = (): void => {}
  const { get } = inner
  inner.get = async () => { await new Promise<void>((resolve) => { letGo = resolve }); return old }
  const load = store.get(id)
  inner.get = get
  await store.save(id, secretHash, put({ a: 1 }))
  await store.get(other) // takes its place
  letGo()
  await load
  t.same(found(await store.get(id)).values, { a: 1 })
})

void t.test('what comes of a save is not followed by what an earlier save or load brings', async (t) => {
  const { store, inner, elsewhere } = open()
  const { id, secretHash } = await elsewhere.create(newSession())
  const old = found(await elsewhere.get(id))
  let letGo = (): void => {}
  const { get } = inner
  inner.get = async () => { await new Promise<void>((resolve) => { letGo = resolve }); return old }
  const load = store.get(id)
  await store.save(id, secretHash, put({ a: 1 }))
  letGo()
  t.same(await load, old)
  inner.get = get
  t.same(found(await store.get(id)).values, { a: 1 })
})

void t.test('what comes of a save that moves no version is not followed by what an earlier load brings', async (t) => {
  const { store, inner, elsewhere, advance } = open()
  const { id, secretHash, version } = await elsewhere.create(newSession())
  const old = found(await elsewhere.get(id))
  let letGo = (): void => {}
  const { get } = inner
  inner.get = async () => { await new Promise<void>((resolve) => { letGo = resolve }); return old }
  const load = store.get(id)
  advance(10)
  t.match(await store.save(id, secretHash, { ...SLIDE, maxAge: 77 }), { version, maxAge: 77 })
  letGo()
  await load
  inner.get = get
  t.equal(found(await store.get(id)).maxAge, 77)
  t.equal(store.size, 1)
})

void t.test('a conflict, a session that is gone and a save that failed leave nothing behind', async (t) => {
  const { store, inner, elsewhere } = open()
  const { id, secretHash, version } = await elsewhere.create(newSession())
  await store.get(id)
  await elsewhere.save(id, secretHash, put({ a: 1 }))
  t.equal(await store.compareAndSave(id, secretHash, version, put({ b: 1 })), 'conflict')
  t.same(found(await store.get(id)).values, { a: 1 }, 'the next attempt sees the version that is there')
  t.equal(await store.save(id, freshHash(), SLIDE), null)
  t.equal(store.size, 0)
  await store.get(id)
  inner.save = async () => { throw new Error('of the test') }
  await t.rejects(store.save(id, secretHash, put({ a: 2 })), { message: 'of the test' })
  t.equal(store.size, 0)
})

void t.test('ages of a kept session go on, and one that has expired meanwhile is asked for again', async (t) => {
  const { store, inner, elsewhere, advance } = open()
  const { id, secretHash } = await elsewhere.create(newSession({ idleSeconds: 60 }))
  const { readAt } = found(await store.get(id))
  advance(59_000)
  t.equal(found(await store.get(id)).readAt.getTime(), readAt.getTime() + 59_000)
  t.equal(inner.calls.length, 1)
  await elsewhere.save(id, secretHash, { ...SLIDE, idleSeconds: 60 }) // tells nothing
  advance(1_000)
  t.ok(await store.get(id))
  t.equal(inner.calls.length, 2)
  advance(59_000)
  t.equal(await store.get(id), null)
  t.equal(store.size, 0)
})

void t.test('no more sessions are kept than allowed, those not used lately go, and large ones are as many as have room', async (t) => {
  const { store, inner, elsewhere } = open(3)
  const ids: string[] = []
  for (const n of upTo(4)) ids.push((await elsewhere.create(newSession({ set: { n } }))).id)
  const [a = '', b = '', c = '', d = ''] = ids
  for (const id of [a, b, c, a, d]) await store.get(id)
  t.equal(store.size, 3)
  inner.calls.length = 0
  for (const id of [a, c, d]) await store.get(id)
  t.equal(inner.calls.length, 0)
  await store.get(b)
  t.equal(inner.calls.length, 1)

  const large = open(10_000)
  const text = 'x'.repeat(250_000)
  for (const n of upTo(300)) await large.store.get((await large.elsewhere.create(newSession({ set: { n, text } }))).id)
  t.ok(large.store.size > 200 && large.store.size < 300, `${large.store.size} of 300`)
})

void t.test('a key that is called __proto__ is a key in what is kept, too, and what is nested too deep is not kept', async (t) => {
  const { store, elsewhere } = open()
  const { id } = await elsewhere.create(newSession({ set: JSON.parse('{"__proto__": {"polluted": true}, "list": [{"__proto__": [1]}, null]}') }))
  await store.get(id)
  const { values } = found(await store.get(id))
  t.equal(JSON.stringify(values), '{"__proto__":{"polluted":true},"list":[{"__proto__":[1]},null]}')
  t.equal(Object.getPrototypeOf(values), Object.prototype)
  t.equal(store.size, 1)
  const { id: deep } = await elsewhere.create(newSession({ set: JSON.parse(`{"a": ${'['.repeat(200)}${']'.repeat(200)}}`) }))
  t.ok(await store.get(deep))
  t.ok(await store.get(deep))
  t.equal(store.size, 1)
})

void t.test('hits, misses and the state of the feed are told, and nothing of a session', async (t) => {
  const told: unknown[] = []
  const keep = (message: unknown): void => { told.push(message) }
  subscribe('silverback:cache', keep)
  t.teardown(() => { unsubscribe('silverback:cache', keep) })
  const { store, elsewhere, becomeWhole, breakFeed } = watchedMemory()
  const { id } = await elsewhere.create(newSession())
  becomeWhole()
  await store.get(id)
  await store.get(id)
  breakFeed()
  t.match(told, [{ kind: 'whole' }, { kind: 'miss' }, { kind: 'hit' }, { kind: 'broken', cause: { message: 'of the test' } }])
  t.notMatch(JSON.stringify(told), id)
})

void t.test('close ends the watch, then the store, once; what is asked then is asked of the store', async (t) => {
  const { store, closed, elsewhere } = open()
  const { id } = await elsewhere.create(newSession())
  await store.get(id)
  await Promise.all([store.close(), store.close()])
  t.same(closed, ['watch', 'store'])
  t.equal(store.size, 0)
  await store.get(id)
  t.equal(store.size, 0)
})

void t.test('options that are wrong, and a store that does not tell of changes, are refused by name', async (t) => {
  const { inner } = watchedMemory()
  const refused: ReadonlyArray<readonly [store: unknown, options: unknown, message: RegExp]> = [
    [inner, { maxStalenessMs: 99 }, /"maxStalenessMs"/],
    [inner, { maxStalenessMs: 60_001 }, /"maxStalenessMs"/],
    [inner, { maxStalenessMs: '1000' }, /"maxStalenessMs"/],
    [inner, { maxEntries: 0 }, /"maxEntries"/],
    [inner, { maxEntires: 1 }, /cached: unknown option "maxEntires"; did you mean "maxEntries"/],
    [inner, null, /cached/],
    [undefined, {}, /"store" option must be a Store/],
    [new MemoryStore(), {}, /"MemoryStore" has no method "watchChanges"/]
  ]
  for (const [store, options, message] of refused) t.throws(() => { Reflect.apply(cached, null, [store, options]) }, { name: 'TypeError', message })
})
