/** How a lineage begins, and what it does to its session. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import { apart, begin, facts, found, load, put, renewal, slide, upTo } from './fixtures.js'
import { ABSOLUTE, answered, begun, hashOf, IDLE, issue, newLineage, OLD, rotate, signIn } from './token-fixtures.js'
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

  async 'a save that brings or takes away a maxAge leaves a session with a lineage its life, its access tokens, and what a rotation moves' (harness) {
    const { store, tokens, advance } = harness
    for (const maxAge of [null, 60, 90 * 24 * 3_600]) {
      const { id, secretHash } = await signIn(harness)
      const token = await issue(tokens, id)
      const renew = renewal('all')
      for (const [hash, change] of [[secretHash, put({}, { maxAge })], [secretHash, put({ a: 1 }, { maxAge })], [secretHash, put({ b: 2 }, { maxAge, renew })], [renew.secretHash, slide()]] as const) {
        const saved = found(await store.save(id, hash, { ...change, idleSeconds: 60 }))
        assert.equal(saved.maxAge, IDLE)
        apart(harness, saved.readAt, saved.expiresAt, IDLE, 'from now to the idle end')
      }
      assert.equal(await tokens.isAccessValid(token), true)
      await advance(OLD)
      const { at, expiresAt } = answered(await rotate(tokens, id, 1), 'ROTATE')
      apart(harness, new Date(at), new Date(expiresAt), IDLE, 'from the rotation to the idle end')
    }
  },

  async 'a save that drops the tokens with it gives the session the maxAge that it brings' (harness) {
    const { store } = harness
    const { id, secretHash } = await signIn(harness)
    const renew = { ...renewal('all'), dropsTokens: true }
    const saved = found(await store.save(id, secretHash, put({}, { maxAge: 60, renew })))
    assert.deepEqual([saved.id, saved.maxAge], [renew.id, 60])
    apart(harness, saved.readAt, saved.expiresAt, 60, 'from now to the idle end')
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
