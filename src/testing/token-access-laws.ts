/** Which access tokens hold, asked of the storage itself. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import { MINUTE } from './fixtures.js'
import { access, answered, IDLE, issue, OLD, refused, rotate, rotated, signIn } from './token-fixtures.js'
import type { TokenLaws } from './token-harness.js'

export const tokenAccessLaws: TokenLaws = {
  async 'an access token holds from the answer that gave it, in every process' (harness) {
    const { tokens, secondTokens = tokens } = harness
    const { id, readAt } = await signIn(harness)
    assert.equal(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: readAt.getTime() }), true)
    assert.equal(await secondTokens.isAccessValid(await issue(tokens, id)), true)
  },

  async 'an access token of an unknown session, or of another user, does not hold' (harness) {
    const { tokens } = harness
    const { id } = await signIn(harness)
    const token = await issue(tokens, id)
    for (const wrong of [{ sessionId: newId() }, { sessionId: 'nonsense' }, { userId: 'bob' }]) assert.equal(await tokens.isAccessValid({ ...token, ...wrong }), false)
  },

  async 'the first access token holds though the lineage ends its session earlier than before' (harness) {
    const { store, tokens } = harness
    const { id, readAt } = await signIn(harness, { idleSeconds: 90 * 24 * 3_600, absoluteSeconds: 90 * 24 * 3_600 })
    assert.equal(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: readAt.getTime() }), true)
    assert.ok(await store.get(id))
  },

  async 'a block, a delete, a revoke and an end that has come refuse the access tokens of the session' (harness) {
    const { store, tokens, secondTokens = tokens, advance } = harness
    const endings = [
      (id: string) => store.block(id, 'test'), (id: string) => store.delete(id),
      (id: string) => tokens.revokeRefreshToken(id, 'logout'), () => advance(IDLE + MINUTE)
    ]
    for (const end of endings) {
      const { id } = await signIn(harness)
      const token = await issue(tokens, id)
      await end(id)
      assert.equal(await secondTokens.isAccessValid(token), false)
    }
  },

  async 'a reuse refuses the access tokens of the session' (harness) {
    const { tokens } = harness
    const { id } = await rotated(harness, 2)
    const token = await issue(tokens, id, 3)
    refused(await rotate(tokens, id, 1), 'REUSE')
    assert.equal(await tokens.isAccessValid(token), false)
  },

  async 'access tokens of before a block hold again when it is lifted' (harness) {
    const { store, tokens } = harness
    const { id } = await signIn(harness)
    const token = await issue(tokens, id)
    await store.block(id, 'test')
    await store.unblock(id)
    assert.equal(await tokens.isAccessValid(token), true)
    assert.equal(await tokens.isAccessValid(await issue(tokens, id)), true)
  },

  async 'new claims refuse the access tokens of before, and those of after hold and say them, within a millisecond too' (harness) {
    const { store, tokens } = harness
    const { id } = await signIn(harness)
    for (let round = 0; round < 20; round++) {
      const before = await issue(tokens, id)
      await store.setClaims('ada', { round })
      const after = answered(await rotate(tokens, id, 1), 'EARLY')
      assert.deepEqual(after.claims, { round })
      assert.equal(await tokens.isAccessValid(before), false, 'the one of before')
      assert.equal(await tokens.isAccessValid(access(after)), true, 'the one of after')
    }
    const last = await issue(tokens, id)
    await store.block(id, 'test')
    await store.unblock(id)
    await store.setClaims('ada', {})
    assert.equal(await tokens.isAccessValid(last), false)
  },

  async 'a slide refuses no access token: the session has a life of its own' (harness) {
    const { store, tokens, advance } = harness
    const { id, secretHash } = await signIn(harness)
    const token = await issue(tokens, id)
    await advance(OLD)
    await store.save(id, secretHash, { set: {}, unset: [], idleSeconds: MINUTE })
    assert.equal(await tokens.isAccessValid(token), true)
  },

  async 'rotations refuse no access token' (harness) {
    const { tokens, advance } = harness
    const { id } = await signIn(harness)
    const token = await issue(tokens, id)
    await advance(OLD)
    answered(await rotate(tokens, id, 1), 'ROTATE')
    answered(await rotate(tokens, id, 1), 'REPLAY')
    answered(await rotate(tokens, id, 2), 'EARLY')
    assert.equal(await tokens.isAccessValid(token), true)
  }
}
