/** What a watch tells of the access tokens that must be refused. */

import assert from 'node:assert/strict'
import type { RevocationKind } from '../tokens/revocations.js'
import { begin, MINUTE, renewal } from './fixtures.js'
import { access, answered, issue, newLineage, OLD, refused, rotate, rotated, signIn, Told } from './token-fixtures.js'
import type { TokenHarness, TokenLaws } from './token-harness.js'

const HOUR_MS = 60 * MINUTE * 1000

export const tokenWatchLaws: TokenLaws = {
  async 'a watch begins whole, with all that is in force' (harness) {
    const { store, tokens, secondTokens = tokens } = harness
    const { id } = await signIn(harness)
    const token = await issue(tokens, id)
    await store.block(id, 'stolen laptop')
    const told = await watch(harness, secondTokens)
    assert.equal(told.lines[0], 'reset')
    const [blocked] = told.revocations.filter(({ sessionId }) => sessionId === id)
    assert.equal(blocked?.kind, 'blocked')
    assert.equal(blocked.reason, 'stolen laptop')
    assert.ok(blocked.at >= token.issuedAt, 'it refuses what was issued before')
    assert.ok(blocked.until >= blocked.at + HOUR_MS, 'for as long as an access token can live')
  },

  async 'a deleted session is told as ended, in every process' (harness) {
    await isTold(harness, 'ended', async (id) => { await harness.store.delete(id) })
  },

  async 'sessions that are ended with all of their user\'s are told as ended' (harness) {
    await isTold(harness, 'ended', async () => { await harness.store.deleteByUser('ada') })
  },

  async 'a session that a sign-in replaces is told as ended' (harness) {
    await isTold(harness, 'ended', async (id, secretHash) => {
      await begin(harness.store, { userId: 'ada', replaces: { id, secretHash, carry: null } })
    })
  },

  async 'a renewal that drops the tokens is told as ended' (harness) {
    await isTold(harness, 'ended', async (id, secretHash) => {
      await harness.store.save(id, secretHash, { set: {}, unset: [], idleSeconds: MINUTE, renew: { ...renewal(), dropsTokens: true } })
    })
  },

  async 'a block is told, and its end' (harness) {
    const { told, id } = await isTold(harness, 'blocked', async (id) => { await harness.store.block(id, 'test') })
    await harness.store.unblock(id)
    await told.hears(`lifted ${id}`)
  },

  async 'a reuse is told as a block' (harness) {
    const told = await watch(harness)
    const { id } = await rotated(harness, 2)
    refused(await rotate(harness.tokens, id, 1), 'REUSE')
    await told.hears(`blocked ${id}`)
  },

  async 'new claims are told as a change, and the access token of after is issued later' (harness) {
    const { told, id } = await isTold(harness, 'changed', async () => { await harness.store.setClaims('ada', { isAdmin: true }) })
    const { issuedAt } = access(answered(await rotate(harness.tokens, id, 1), 'EARLY'))
    assert.ok(told.revocations.every(({ at }) => at < issuedAt))
  },

  async 'a revoke is told as a change' (harness) {
    await isTold(harness, 'changed', async (id) => { await harness.tokens.revokeRefreshToken(id, 'logout') })
  },

  async 'the end of a session without a lineage is told as a change, an earlier end too: tokens may have been issued all the same' (harness) {
    const { store, tokens } = harness
    const told = await watch(harness)
    const [ended, shortened] = [await begin(store, { userId: 'ada' }), await begin(store, { userId: 'ada' })]
    await tokens.revokeRefreshToken(ended.id, 'logout')
    await store.save(shortened.id, shortened.secretHash, { set: {}, unset: [], idleSeconds: MINUTE, maxAge: MINUTE })
    for (const { id } of [ended, shortened]) await told.hears(`changed ${id}`)
  },

  async 'use of a session, the beginning of its lineage, rotations, and the end of what nobody has tokens of are told to nobody' (harness) {
    const { store, tokens, advance } = harness
    const told = await watch(harness)
    const visitor = await begin(store)
    const { id, secretHash } = await signIn(harness, { idleSeconds: 90 * 24 * 3_600, absoluteSeconds: 90 * 24 * 3_600 })
    await store.save(id, secretHash, { set: { a: 1 }, unset: [], idleSeconds: MINUTE })
    await advance(OLD)
    answered(await rotate(tokens, id, 1), 'ROTATE')
    answered(await rotate(tokens, id, 1), 'REPLAY')
    answered(await rotate(tokens, id, 2), 'EARLY')
    await store.delete(visitor.id)
    const last = await signIn(harness)
    await store.delete(last.id)
    await told.hears(`ended ${last.id}`)
    assert.deepEqual(told.lines, ['reset', `ended ${last.id}`])
  },

  async 'a watch that is closed is told nothing more, and closing is idempotent' (harness) {
    const { store, tokens } = harness
    const ended = new Told()
    const closing = tokens.watchRevocations(ended)
    await ended.hears('reset')
    const told = await watch(harness)
    await Promise.all([closing.close(), closing.close()])
    await closing.close()
    const { id } = await signIn(harness)
    await store.delete(id)
    await told.hears(`ended ${id}`)
    assert.deepEqual(ended.lines, ['reset'])
  },

  async 'the store\'s clock is known without asking' (harness) {
    const { tokens } = harness
    await watch(harness)
    const { id } = await signIn(harness)
    const { issuedAt } = await issue(tokens, id)
    assert.ok(Math.abs(tokens.now() - issuedAt) <= 1_000)
    assert.equal((await tokens.createRefreshToken(newLineage(id))), 'taken')
  }
}

/** A watch that is whole. */
async function watch ({ tokens }: TokenHarness, watched = tokens): Promise<Told> {
  const told = new Told()
  watched.watchRevocations(told)
  await told.hears('reset')
  return told
}

/** @throws AssertionError unless two processes are told that access tokens of before are refused */
async function isTold (harness: TokenHarness, kind: RevocationKind, end: (id: string, secretHash: Uint8Array) => Promise<void>): Promise<{ told: Told, id: string }> {
  const { tokens, secondTokens = tokens } = harness
  const told = await watch(harness)
  const other = await watch(harness, secondTokens)
  const { id, secretHash } = await signIn(harness)
  const { issuedAt } = await issue(tokens, id)
  await end(id, secretHash)
  for (const each of [told, other]) {
    await each.hears(`${kind} ${id}`)
    const revocation = each.revocations.find(({ sessionId }) => sessionId === id)
    assert.ok(revocation !== undefined && revocation.at >= issuedAt, 'it refuses what was issued before')
    assert.ok(revocation.until >= revocation.at + HOUR_MS)
  }
  return { told, id }
}
