import t from 'tap'
import type { Revocation, RevocationSink } from '../../../src/tokens/revocations.js'
import type { LineageRules } from '../../../src/tokens/store.js'
import { MemoryStore } from '../../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../../src/stores/memory/token-store.js'
import { begin, DAY, freshHash, HOUR, MINUTE, put, renewal, slide } from '../../../src/testing/fixtures.js'
import { standingClock } from '../../helpers/memory-harness.js'

const RULES: LineageRules = { minGenerationAge: 90, stragglerWindow: 30, refreshTtl: 2_592_000 }

/** What a sink was told, in its order. */
class Told implements RevocationSink {
  readonly inForce: Revocation[] = []
  readonly since: string[] = []
  reset (inForce: readonly Revocation[]): void { this.inForce.splice(0, Infinity, ...inForce) }
  add ({ sessionId, kind }: Revocation): void { this.since.push(`${kind} ${sessionId}`) }
  lift (sessionId: string): void { this.since.push(`lifted ${sessionId}`) }
  broken (): void { this.since.push('broken') }
}

function setUp () {
  const clock = standingClock()
  const store = new MemoryStore({ clock: clock.now })
  const tokens = new MemoryTokenStore({ store })
  const told = new Told()
  tokens.watchRevocations(told)
  return { clock, store, tokens, told }
}

const lineage = (sessionId: string, tokenHash = freshHash()) => ({ sessionId, userId: 'ada', tokenHash, idleSeconds: 30 * DAY, absoluteSeconds: 60 * DAY })

await t.test('a store that is no MemoryStore, and an unknown option, are refused by name', async (t) => {
  const { store } = setUp()
  // @ts-expect-error: no MemoryStore
  t.throws(() => new MemoryTokenStore({ store: {} }), { name: 'TypeError', message: /"store"/ })
  // @ts-expect-error: no such option
  t.throws(() => new MemoryTokenStore({ store, clock: () => new Date() }), { name: 'TypeError', message: /clock/ })
})

await t.test('whatever ends a session of a user before its time is told at once, and reaches who comes later', async (t) => {
  const { clock, store, tokens, told } = setUp()
  const [ended, other, blocked, changed, renewed, visitor, expired] = [
    await begin(store, { userId: 'ada' }), await begin(store, { userId: 'bob' }), await begin(store, { userId: 'eve' }),
    await begin(store, { userId: 'eve' }), await begin(store, { userId: 'zoe' }), await begin(store), await begin(store, { userId: 'ada', idleSeconds: 1 })
  ]
  clock.advance(2)
  await store.delete(ended.id)
  await store.deleteByUser('bob')
  await store.block(blocked.id, 'test')
  await store.save(changed.id, changed.secretHash, slide(MINUTE))
  await store.save(renewed.id, renewed.secretHash, put({}, { renew: renewal() }))
  await store.delete(visitor.id)
  await store.delete(expired.id)
  const wanted = [`ended ${ended.id}`, `ended ${other.id}`, `blocked ${blocked.id}`, `changed ${changed.id}`, `ended ${renewed.id}`]
  t.same(told.since, wanted)
  const later = new Told()
  tokens.watchRevocations(later)
  t.same(later.inForce.map(({ sessionId, kind }) => `${kind} ${sessionId}`), wanted)
  t.same(later.inForce[2], { sessionId: blocked.id, kind: 'blocked', reason: 'test', at: tokens.now(), until: tokens.now() + 61 * MINUTE * 1000 })
})

await t.test('new claims are told for every session of the user, a slide and the same claims again are not', async (t) => {
  const { clock, store, told } = setUp()
  const sessions = [await begin(store, { userId: 'ada' }), await begin(store, { userId: 'ada' })]
  await store.setClaims('ada', { isAdmin: true })
  t.same(told.since, sessions.map(({ id }) => `changed ${id}`))
  clock.advance(1)
  await store.setClaims('ada', { isAdmin: true })
  for (const { id, secretHash } of sessions) await store.save(id, secretHash, slide(HOUR))
  t.equal(told.since.length, 2)
})

await t.test('a block that is lifted is told as lifted, and is in force no more', async (t) => {
  const { store, tokens, told } = setUp()
  const { id } = await begin(store, { userId: 'ada' })
  await store.block(id, 'test')
  await store.unblock(id)
  t.same(told.since, [`blocked ${id}`, `lifted ${id}`])
  const later = new Told()
  tokens.watchRevocations(later)
  t.same(later.inForce, [])
})

await t.test('a revocation is forgotten when no token that it concerns can be valid any more', async (t) => {
  const { clock, store, tokens } = setUp()
  await store.delete((await begin(store, { userId: 'ada' })).id)
  const inForce = (): number => {
    const told = new Told()
    tokens.watchRevocations(told)
    return told.inForce.length
  }
  clock.advance(61 * MINUTE - 0.001)
  t.equal(inForce(), 1)
  clock.advance(0.001)
  t.equal(inForce(), 0)
})

await t.test('the first access token holds, though the lineage ends the session earlier than before, in the very millisecond of a change of claims', async (t) => {
  const { store, tokens, told } = setUp()
  const { id } = await begin(store, { userId: 'ada', idleSeconds: 90 * DAY, absoluteSeconds: 90 * DAY })
  await store.setClaims('ada', { isAdmin: true })
  const begun = await tokens.createRefreshToken(lineage(id))
  t.same(told.since, [`changed ${id}`], 'nothing for the lineage')
  if (begun === null || begun === 'taken') throw new Error('there should be a lineage')
  t.equal(begun.expiresAt.getTime(), tokens.now() + 30 * DAY * 1000)
  t.ok(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: begun.readAt.getTime() }))
  t.notOk(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: tokens.now() }), 'one of before')
})

await t.test('a rotation in the millisecond of a change of claims gives an access token that holds, with the new claims', async (t) => {
  const { clock, store, tokens } = setUp()
  const { id } = await begin(store, { userId: 'ada' })
  const hash = freshHash()
  await tokens.createRefreshToken(lineage(id, hash))
  clock.advance(100)
  await store.setClaims('ada', { isAdmin: true })
  const { found, facts } = await tokens.rotateRefreshToken({ sessionId: id, generation: 1, hash, successorHashes: [freshHash()], requestUserId: null }, RULES)
  t.equal(found, 'ROTATE')
  t.same(facts?.claims, { isAdmin: true })
  t.ok(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: facts?.issuedAt ?? 0 }))
})

await t.test('attack: an access token that was issued in the very millisecond in which its session ends is refused', async (t) => {
  const { store, tokens } = setUp()
  const { id } = await begin(store, { userId: 'ada' })
  await store.setClaims('ada', { isAdmin: true })
  const begun = await tokens.createRefreshToken(lineage(id))
  if (begun === null || begun === 'taken') throw new Error('there should be a lineage')
  const issuedAt = begun.readAt.getTime()
  await store.setClaims('ada', {})
  t.notOk(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt }))
  await store.delete(id)
  const told = new Told()
  tokens.watchRevocations(told)
  t.ok(told.inForce.every(({ at }) => at >= issuedAt), 'whatever was told last')
})

await t.test('tokens keep the id of their session when it is renewed, unless they are dropped with it', async (t) => {
  const { store, tokens, told } = setUp()
  const begun = await begin(store, { userId: 'ada' })
  const hash = freshHash()
  await tokens.createRefreshToken(lineage(begun.id, hash))
  const renew = renewal('all')
  t.equal((await store.save(begun.id, begun.secretHash, put({}, { renew })))?.id, begun.id)
  t.same(told.since, [])
  const dropping = { ...renewal('all'), dropsTokens: true }
  t.equal((await store.save(begun.id, renew.secretHash, put({}, { renew: dropping })))?.id, dropping.id)
  t.same(told.since, [`ended ${begun.id}`])
  const presented = { generation: 1, hash, successorHashes: [freshHash()] as const, requestUserId: null }
  for (const sessionId of [begun.id, dropping.id]) t.same(await tokens.rotateRefreshToken({ ...presented, sessionId }, RULES), { found: 'REVOKED', facts: null })
  t.equal((await store.get(dropping.id))?.userId, 'ada')
  t.not(await tokens.createRefreshToken(lineage(dropping.id)), 'taken', 'and another lineage can begin')
})

await t.test('a reused token blocks its session, and that is told', async (t) => {
  const { clock, store, tokens, told } = setUp()
  const { id } = await begin(store, { userId: 'ada' })
  const [first, second, third] = [freshHash(), freshHash(), freshHash()]
  await tokens.createRefreshToken(lineage(id, first))
  clock.advance(100)
  await tokens.rotateRefreshToken({ sessionId: id, generation: 1, hash: first, successorHashes: [second], requestUserId: null }, RULES)
  clock.advance(100)
  await tokens.rotateRefreshToken({ sessionId: id, generation: 2, hash: second, successorHashes: [third], requestUserId: null }, RULES)
  t.same(await tokens.rotateRefreshToken({ sessionId: id, generation: 1, hash: first, successorHashes: [second], requestUserId: null }, RULES), { found: 'REUSE', facts: null })
  t.same(told.since, [`blocked ${id}`])
  t.equal((await store.listByUser('ada'))[0]?.blockedReason, 'refresh_reuse')
})

await t.test('a watch that was closed, by itself or with the store, is told nothing more', async (t) => {
  const { store, tokens, told } = setUp()
  const { id } = await begin(store, { userId: 'ada' })
  const own = new Told()
  await tokens.watchRevocations(own).close()
  await store.block(id, 'test')
  await tokens.close()
  await store.unblock(id)
  t.same(own.since, [])
  t.same(told.since, [`blocked ${id}`])
})
