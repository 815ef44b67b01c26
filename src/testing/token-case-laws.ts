/** The rotation machine: the table of the specification, case by case, reached by real calls. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import type { PresentedToken, RotationCase } from '../tokens/rotation.js'
import { apart, begin, facts, load, MINUTE, upTo } from './fixtures.js'
import { answered, hashOf, IDLE, inspect, OLD, refused, rotate, rotated, RULES, signIn, tokenOf } from './token-fixtures.js'
import type { TokenHarness, TokenLaws } from './token-harness.js'

export const tokenCaseLaws: TokenLaws = {
  async 'ROTATE: the newest token, old enough, gives the next generation, delivered now, with what an access token says' (harness) {
    const { tokens, advance } = harness
    const session = await signIn(harness, { claims: { isAdmin: true, roles: ['editor'] } })
    await advance(OLD)
    const found = answered(await rotate(tokens, session.id, 1), 'ROTATE')
    assert.equal(found.sessionId, session.id)
    assert.equal(found.userId, 'ada')
    assert.deepEqual(found.claims, { isAdmin: true, roles: ['editor'] })
    assert.equal(found.generation, 2)
    assert.equal(found.deliveredAt, found.at)
    assert.deepEqual(Buffer.from(found.tokenHash), Buffer.from(hashOf(session.id, 2)))
    assert.equal(found.issuedAt, found.at)
    const { authenticatedAt, expiresAt } = await load(harness.store, session.id)
    assert.deepEqual([found.authenticatedAt, found.expiresAt], [authenticatedAt?.getTime(), expiresAt.getTime()])
    apart(harness, new Date(found.at), new Date(tokens.now()), 0, 'from the rotation to now')
    answered(await rotate(tokens, session.id, 2), 'EARLY')
  },

  async 'EARLY: the newest token, younger than the least age, gives no new generation, and confirms' (harness) {
    const { tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await advance(RULES.minGenerationAge - MINUTE)
    const { generation } = answered(await rotate(tokens, id, 2), 'EARLY')
    assert.equal(generation, 2)
    answered(await rotate(tokens, id, 1), 'STRAGGLER')
    await advance(2 * MINUTE)
    assert.equal(answered(await rotate(tokens, id, 2), 'ROTATE').generation, 3, 'the age counts from the delivery')
  },

  async 'EARLY moves no expiry, and its later use does not put off the confirmation' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    const before = facts(await load(store, id))
    answered(await rotate(tokens, id, 2), 'EARLY')
    assert.deepEqual(facts(await load(store, id)), before)
    await advance(RULES.stragglerWindow - MINUTE)
    answered(await rotate(tokens, id, 2), 'EARLY')
    await advance(2 * MINUTE)
    refused(await rotate(tokens, id, 1), 'REUSE')
  },

  async 'REPLAY: the generation before, while the newest is not confirmed, gives the newest again, however late' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    for (const after of [0, OLD, IDLE / 2]) {
      await advance(after)
      const unmoved = facts(await load(store, id))
      const { generation, deliveredAt, at } = answered(await rotate(tokens, id, 1), 'REPLAY')
      assert.equal(generation, 2)
      assert.equal(deliveredAt, at, 'it counts as delivered now')
      assert.deepEqual(facts(await load(store, id)), unmoved, 'nothing of the session moves')
    }
    answered(await rotate(tokens, id, 2), 'EARLY')
  },

  async 'REPLAY ends with the session: it does not move the expiry' (harness) {
    const { tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await advance(IDLE - MINUTE)
    answered(await rotate(tokens, id, 1), 'REPLAY')
    await advance(2 * MINUTE)
    refused(await rotate(tokens, id, 1), 'EXPIRED')
  },

  async 'MISMATCH: no successor is given again that is not derived from the presented token' (harness) {
    const { tokens } = harness
    const { id } = await rotated(harness, 1)
    refused(await rotate(tokens, id, 1, { successorHashes: [hashOf(id, 99), hashOf(id, 98)] }), 'MISMATCH')
    answered(await rotate(tokens, id, 1), 'REPLAY')
  },

  async 'REPLAY: of several successors it is said which was given, and a ROTATE gives the first' (harness) {
    const { tokens, advance } = harness
    const { id } = await signIn(harness)
    await advance(OLD)
    const [first, second, third] = [hashOf(id, 97), hashOf(id, 98), hashOf(id, 99)]
    const given = async (wanted: RotationCase, successorHashes: PresentedToken['successorHashes']): Promise<string> => {
      const presented = { successorHashes }
      const looked = await inspect(tokens, id, 1, presented)
      assert.equal(looked.found, wanted)
      return Buffer.from(answered(await rotate(tokens, id, 1, presented), wanted).tokenHash).toString('hex')
    }
    const wanted = Buffer.from(first).toString('hex')
    assert.equal(await given('ROTATE', [first, second]), wanted)
    for (const order of [[first, second], [second, first], [third, second, first]] as const) assert.equal(await given('REPLAY', order), wanted)
    refused(await rotate(tokens, id, 1, { successorHashes: [second, third] }), 'MISMATCH')
  },

  async 'STRAGGLER: the generation before, soon after the newest was confirmed, gives an access token alone' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await tokens.confirmRefreshToken(id, 2)
    await advance(RULES.stragglerWindow - MINUTE)
    const before = facts(await load(store, id))
    for (let n = 0; n < 3; n++) assert.equal(answered(await rotate(tokens, id, 1), 'STRAGGLER').generation, 2)
    assert.deepEqual(facts(await load(store, id)), before)
    await advance(2 * MINUTE)
    refused(await rotate(tokens, id, 1), 'REUSE')
  },

  async 'REUSE: the generation before, long after the newest was confirmed, blocks the session' (harness) {
    const { tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await tokens.confirmRefreshToken(id, 2)
    await advance(RULES.stragglerWindow + MINUTE)
    await isBlockedBy(harness, id, 1)
  },

  async 'REUSE: a generation older than that blocks the session at once, confirmed or not, whatever its secret' (harness) {
    const { id } = await rotated(harness, 2)
    await isBlockedBy(harness, id, 1)
    const other = await rotated(harness, 3)
    refused(await rotate(harness.tokens, other.id, 1, { hash: hashOf(id, 50) }), 'REUSE')
  },

  async 'AHEAD: a generation that the store has lost is taken over as the newest, delivered and confirmed now' (harness) {
    const { tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await advance(OLD)
    const { generation, deliveredAt, at } = answered(await rotate(tokens, id, 5), 'AHEAD')
    assert.equal(generation, 5)
    assert.equal(deliveredAt, at)
    refused(await rotate(tokens, id, 4), 'MISMATCH')
    answered(await rotate(tokens, id, 5), 'EARLY')
    await advance(OLD)
    assert.equal(answered(await rotate(tokens, id, 5), 'ROTATE').generation, 6)
    refused(await rotate(tokens, id, 3), 'REUSE')
  },

  async 'MISMATCH: another secret than that of the newest or the one before changes nothing' (harness) {
    const { store, tokens } = harness
    const { id } = await rotated(harness, 1)
    const before = facts(await load(store, id))
    for (const generation of [1, 2]) refused(await rotate(tokens, id, generation, { hash: hashOf(id, 99) }), 'MISMATCH')
    assert.deepEqual(facts(await load(store, id)), before)
    answered(await rotate(tokens, id, 1), 'REPLAY')
  },

  async 'REVOKED: a session that is unknown, was deleted, or has no lineage' (harness) {
    const { store, tokens } = harness
    const { id } = await signIn(harness)
    await store.delete(id)
    for (const gone of [id, newId(), (await begin(store, { userId: 'ada' })).id, 'nonsense']) {
      refused(await rotate(tokens, gone, 1), 'REVOKED')
      refused(await inspect(tokens, gone, 1), 'REVOKED')
    }
  },

  async 'REVOKED goes before EXPIRED, EXPIRED before BLOCKED, BLOCKED before WRONG_USER, and that before what the token is' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 2)
    const stolen = { requestUserId: 'bob', hash: hashOf(id, 99) }
    refused(await rotate(tokens, id, 1, stolen), 'WRONG_USER')
    await store.block(id, 'test')
    refused(await rotate(tokens, id, 1, stolen), 'BLOCKED')
    await advance(IDLE)
    refused(await rotate(tokens, id, 1, stolen), 'EXPIRED')
    const revoked = await rotated(harness, 2)
    await store.block(revoked.id, 'test')
    await tokens.revokeRefreshToken(revoked.id, 'test')
    refused(await rotate(tokens, revoked.id, 1, stolen), 'REVOKED')
  },

  async 'BLOCKED: a blocked session answers no generation and changes nothing, and goes on when the block is lifted' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    await advance(OLD)
    await store.block(id, 'test')
    for (const generation of [1, 2, 3]) refused(await rotate(tokens, id, generation), 'BLOCKED')
    await store.unblock(id)
    answered(await rotate(tokens, id, 1), 'REPLAY')
  },

  async 'WRONG_USER: a request that carries another user\'s credential is refused, and its own user\'s is not' (harness) {
    const { tokens, advance } = harness
    const { id } = await signIn(harness)
    await advance(OLD)
    refused(await rotate(tokens, id, 1, { requestUserId: 'bob' }), 'WRONG_USER')
    answered(await rotate(tokens, id, 1, { requestUserId: 'ada' }), 'ROTATE')
  },

  async 'confirmRefreshToken confirms the newest generation alone, and once, and answers which that is' (harness) {
    const { tokens, advance } = harness
    const { id } = await rotated(harness, 1)
    for (const generation of [1, 3]) assert.equal(await tokens.confirmRefreshToken(id, generation), 2, 'the newest')
    for (const unknown of [newId(), 'nonsense']) assert.equal(await tokens.confirmRefreshToken(unknown, 2), null)
    answered(await rotate(tokens, id, 1), 'REPLAY')
    assert.equal(await tokens.confirmRefreshToken(id, 2), 2)
    await advance(RULES.stragglerWindow - MINUTE)
    await tokens.confirmRefreshToken(id, 2)
    answered(await rotate(tokens, id, 1), 'STRAGGLER')
    await advance(2 * MINUTE)
    refused(await rotate(tokens, id, 1), 'REUSE')
  },

  async 'getUserFromRefreshToken judges every case as a rotation would, and changes nothing' (harness) {
    const { store, tokens, advance } = harness
    const { id } = await rotated(harness, 2)
    const looks = async (generation: number, wanted: RotationCase): Promise<void> => {
      const before = facts(await load(store, id))
      for (let n = 0; n < 2; n++) assert.equal((await inspect(tokens, id, generation)).found, wanted)
      assert.deepEqual(facts(await load(store, id)), before)
    }
    await looks(1, 'REUSE')
    await looks(2, 'REPLAY')
    await looks(3, 'EARLY')
    await looks(4, 'AHEAD')
    await looks(2, 'REPLAY')
    await advance(OLD)
    await looks(3, 'ROTATE')
    assert.equal(answered(await inspect(tokens, id, 3), 'ROTATE').generation, 3, 'the generation as it is')
    await tokens.confirmRefreshToken(id, 3)
    await looks(2, 'STRAGGLER')
    refused(await inspect(tokens, id, 3, { requestUserId: 'bob' }), 'WRONG_USER')
    refused(await inspect(tokens, id, 3, { hash: hashOf(id, 99) }), 'MISMATCH')
    await store.block(id, 'test')
    refused(await inspect(tokens, id, 3), 'BLOCKED')
  },

  async 'of 40 rotations at once with one token one rotates, and all others get the same successor' (harness) {
    const { tokens, secondTokens = tokens, advance } = harness
    const { id } = await signIn(harness)
    for (let generation = 1; generation <= 5; generation++) {
      await advance(OLD)
      const answers = await Promise.all(upTo(40).map((n) => (n % 2 === 0 ? tokens : secondTokens).rotateRefreshToken(tokenOf(id, generation), RULES)))
      assert.deepEqual(answers.map(({ found }) => found).sort(), [...upTo(39).map(() => 'REPLAY'), 'ROTATE'])
      assert.ok(answers.every(({ facts }) => facts?.generation === generation + 1))
    }
  }
}

/** @throws AssertionError unless the token is reused, and the session blocked for it from then on */
async function isBlockedBy ({ store, tokens }: TokenHarness, id: string, generation: number): Promise<void> {
  refused(await rotate(tokens, id, generation), 'REUSE')
  assert.equal(await store.get(id), null)
  const blocked = (await store.listByUser('ada')).find((session) => session.id === id)
  assert.equal(blocked?.blockedReason, 'refresh_reuse')
  assert.ok(blocked.blockedAt !== null)
  for (const any of [generation, generation + 1, generation + 2]) refused(await rotate(tokens, id, any), 'BLOCKED')
}
