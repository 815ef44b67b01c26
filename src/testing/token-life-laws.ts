/** How a lineage begins, and what it does to its session. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import { apart, begin, facts, load, put, upTo } from './fixtures.js'
import { ABSOLUTE, answered, begun, hashOf, IDLE, newLineage, OLD, rotate, signIn } from './token-fixtures.js'
import type { TokenLaws } from './token-harness.js'

export const tokenLifeLaws: TokenLaws = {
  async 'a lineage gives its session its idle life and its absolute end, and changes nothing else' (harness) {
    const { store, tokens } = harness
    const before = await begin(store, { userId: 'ada', claims: { roles: ['editor'] }, set: { cart: [1] }, maxAge: 60 })
    const after = begun(await tokens.createRefreshToken(newLineage(before.id, { idleSeconds: IDLE - 0.5 })))
    assert.equal(after.maxAge, IDLE, 'whole seconds, rounded up')
    apart(harness, after.readAt, after.expiresAt, IDLE - 0.5, 'from now to the idle end')
    assert.equal(after.absoluteExpiresAt.getTime(), before.createdAt.getTime() + ABSOLUTE * 1000)
    const { expiresAt, absoluteExpiresAt, lastSeenAt } = after
    assert.deepEqual(facts(after), { ...facts(before), maxAge: IDLE, expiresAt, absoluteExpiresAt, lastSeenAt })
    assert.deepEqual(facts(await load(store, before.id)), facts(after))
  },

  async 'the idle end is never past the absolute one' (harness) {
    const { id, createdAt } = await begin(harness.store, { userId: 'ada' })
    const { expiresAt, absoluteExpiresAt } = begun(await harness.tokens.createRefreshToken(newLineage(id, { idleSeconds: ABSOLUTE, absoluteSeconds: IDLE })))
    assert.equal(expiresAt.getTime(), absoluteExpiresAt.getTime())
    assert.equal(expiresAt.getTime(), createdAt.getTime() + IDLE * 1000)
  },

  async 'a session has one lineage: a second is refused as taken and changes nothing' ({ store, tokens }) {
    const { id } = await begin(store, { userId: 'ada' })
    const first = begun(await tokens.createRefreshToken(newLineage(id)))
    assert.equal(await tokens.createRefreshToken(newLineage(id, { tokenHash: hashOf(id, 7), idleSeconds: 60 })), 'taken')
    assert.deepEqual(facts(await load(store, id)), facts(first))
    answered(await rotate(tokens, id, 1), 'EARLY')
  },

  async 'of 20 lineages begun at once for one session exactly one begins' ({ store, tokens, secondTokens = tokens }) {
    const { id } = await begin(store, { userId: 'ada' })
    const answers = await Promise.all(upTo(20).map((n) => (n % 2 === 0 ? tokens : secondTokens).createRefreshToken(newLineage(id))))
    assert.equal(answers.filter((answer) => answer === 'taken').length, 19)
    assert.equal(answers.filter((answer) => answer !== 'taken' && answer !== null).length, 1)
  },

  async 'no lineage begins for a session that is unknown, expired, blocked, a visitor\'s or another user\'s' ({ store, tokens, advance }) {
    const expired = await begin(store, { userId: 'ada', idleSeconds: 60 })
    await advance(120)
    const blocked = await begin(store, { userId: 'ada' })
    await store.block(blocked.id, 'test')
    const refused = [newId(), 'nonsense', expired.id, blocked.id, (await begin(store)).id, (await begin(store, { userId: 'bob' })).id]
    for (const id of refused) assert.equal(await tokens.createRefreshToken(newLineage(id)), null)
    await store.unblock(blocked.id)
    begun(await tokens.createRefreshToken(newLineage(blocked.id)))
  },

  async 'a rotation moves the idle end by the session\'s own life, and lastSeenAt; it changes no values and no version' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await signIn(harness, { set: { cart: [1] } })
    await advance(OLD)
    const before = await load(store, id)
    const { at, expiresAt } = answered(await rotate(tokens, id, 1), 'ROTATE')
    const after = await load(store, id)
    assert.equal(after.expiresAt.getTime(), expiresAt)
    apart(harness, new Date(at), after.expiresAt, IDLE, 'from the rotation to the idle end')
    apart(harness, new Date(at), after.lastSeenAt, 0, 'from the rotation to lastSeenAt')
    assert.deepEqual(facts(after), { ...facts(before), expiresAt: after.expiresAt, lastSeenAt: after.lastSeenAt })
  },

  async 'an own life that a save has set since is the one by which a rotation moves' (harness) {
    const { store, tokens, advance } = harness
    const { id, secretHash } = await signIn(harness)
    await store.save(id, secretHash, put({}, { maxAge: 2 * OLD }))
    await advance(OLD)
    const { at, expiresAt } = answered(await rotate(tokens, id, 1), 'ROTATE')
    apart(harness, new Date(at), new Date(expiresAt), 2 * OLD, 'from the rotation to the idle end')
  },

  async 'a session whose own life was taken away keeps its end at a rotation' (harness) {
    const { store, tokens, advance } = harness
    const { id, secretHash } = await signIn(harness)
    await store.save(id, secretHash, put({}, { maxAge: null, idleSeconds: 10 * OLD }))
    await advance(OLD)
    const before = await load(store, id)
    answered(await rotate(tokens, id, 1), 'ROTATE')
    assert.equal((await load(store, id)).expiresAt.getTime(), before.expiresAt.getTime())
  },

  async 'no rotation moves the idle end past the absolute one' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await signIn(harness)
    await advance(IDLE - 60)
    answered(await rotate(tokens, id, 1), 'ROTATE')
    await advance(IDLE - 60)
    const { expiresAt } = answered(await rotate(tokens, id, 2), 'ROTATE')
    assert.equal(expiresAt, (await load(store, id)).absoluteExpiresAt.getTime())
    await advance(121)
    assert.equal(await store.get(id), null)
  }
}
