/** How a lineage ends. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import { begin, load, MINUTE, put, slide, upTo } from './fixtures.js'
import { answered, IDLE, newLineage, OLD, refused, rotate, rotated, signIn } from './token-fixtures.js'
import type { TokenHarness, TokenLaws } from './token-harness.js'

export const tokenEndingLaws: TokenLaws = {
  async 'revoke ends the session and its lineage for every process, and answers true, then false' (harness) {
    const { store, tokens, secondTokens = tokens, advance } = harness
    const { id, secretHash } = await rotated(harness, 1)
    assert.equal(await tokens.revokeRefreshToken(id, 'logout'), true)
    assert.equal(await secondTokens.revokeRefreshToken(id, 'logout'), false)
    assert.equal(await store.get(id), null)
    assert.equal(await store.save(id, secretHash, slide()), null)
    assert.deepEqual(await store.listByUser('ada'), [])
    await advance(OLD)
    for (const generation of [1, 2, 3]) refused(await rotate(secondTokens, id, generation), 'REVOKED')
    assert.equal(await secondTokens.createRefreshToken(newLineage(id)), null)
  },

  async 'revoke ends a session without a lineage too, and one that is blocked counts' (harness) {
    const { store, tokens } = harness
    const plain = await begin(store, { userId: 'ada', set: { a: 1 } })
    assert.equal(await tokens.revokeRefreshToken(plain.id, 'logout'), true)
    assert.equal(await store.save(plain.id, plain.secretHash, put({ b: 2 })), null)
    const blocked = await signIn(harness)
    await store.block(blocked.id, 'test')
    assert.equal(await tokens.revokeRefreshToken(blocked.id, 'logout'), true)
    assert.equal(await store.unblock(blocked.id), false, 'it has expired')
    refused(await rotate(tokens, blocked.id, 1), 'REVOKED')
  },

  async 'revoke answers false for what is unknown, expired or nonsense' (harness) {
    const { tokens, advance } = harness
    const { id } = await signIn(harness)
    await advance(IDLE + MINUTE)
    for (const gone of [id, newId(), 'nonsense']) assert.equal(await tokens.revokeRefreshToken(gone, 'logout'), false)
  },

  async 'revoke touches no other session' (harness) {
    const mine = await signIn(harness)
    const neighbour = await signIn(harness)
    await harness.tokens.revokeRefreshToken(mine.id, 'logout')
    await load(harness.store, neighbour.id)
    answered(await rotate(harness.tokens, neighbour.id, 1), 'EARLY')
  },

  async 'of revocations at once one answers true' (harness) {
    const { tokens, secondTokens = tokens } = harness
    const { id } = await signIn(harness)
    const answers = await Promise.all(upTo(10).map((n) => (n % 2 === 0 ? tokens : secondTokens).revokeRefreshToken(id, 'logout')))
    assert.equal(answers.filter(Boolean).length, 1)
  },

  async 'what is revoked stays until cleanup, and goes with it' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await signIn(harness)
    await tokens.revokeRefreshToken(id, 'logout')
    refused(await rotate(tokens, id, 1), 'REVOKED')
    await advance(MINUTE)
    assert.ok(await store.cleanup() <= 1)
    refused(await rotate(tokens, id, 1), 'REVOKED')
    assert.equal(await tokens.revokeRefreshToken(id, 'logout'), false)
  },

  async 'a revoke, a block or a delete that races rotations leaves nothing that works' (harness) {
    const { store, tokens, secondTokens = tokens, advance } = harness
    const endings = [
      async (id: string) => { await secondTokens.revokeRefreshToken(id, 'logout') },
      async (id: string) => { await store.block(id, 'test') },
      async (id: string) => { await store.delete(id) }
    ]
    for (const end of [...endings, ...endings, ...endings]) {
      const { id } = await signIn(harness)
      await advance(OLD)
      await Promise.all([...upTo(5).map(() => rotate(tokens, id, 1)), end(id), ...upTo(5).map(() => rotate(secondTokens, id, 1))])
      await isDead(harness, id)
    }
  },

  async 'an expired session\'s tokens are refused, and nothing brings them back' (harness) {
    const { store, tokens, advance } = harness
    const { id, secretHash } = await rotated(harness, 1)
    await advance(IDLE + MINUTE)
    for (const generation of [1, 2, 3]) refused(await rotate(tokens, id, generation), 'EXPIRED')
    assert.equal(await store.save(id, secretHash, slide()), null)
    await store.cleanup()
    refused(await rotate(tokens, id, 2), 'REVOKED')
  }
}

async function isDead ({ store, tokens }: TokenHarness, id: string): Promise<void> {
  assert.equal(await store.get(id), null)
  for (const generation of [1, 2]) {
    const { found, facts } = await rotate(tokens, id, generation)
    assert.equal(facts, null, found)
  }
}
