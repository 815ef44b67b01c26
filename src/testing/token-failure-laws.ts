/** A broken storage, and the end. */

import assert from 'node:assert/strict'
import type { SessionRecord } from '../session/store.js'
import type { TokenStore } from '../tokens/store.js'
import { load, upTo } from './fixtures.js'
import { inspect, newLineage, rotate, signIn, Told } from './token-fixtures.js'
import type { TokenLaws } from './token-harness.js'

const CALLS: Readonly<Record<string, (tokens: TokenStore, session: SessionRecord) => Promise<unknown>>> = {
  createRefreshToken: (tokens, { id }) => tokens.createRefreshToken(newLineage(id)),
  rotateRefreshToken: (tokens, { id }) => rotate(tokens, id, 1),
  revokeRefreshToken: (tokens, { id }) => tokens.revokeRefreshToken(id, 'logout'),
  getUserFromRefreshToken: (tokens, { id }) => inspect(tokens, id, 1),
  confirmRefreshToken: (tokens, { id }) => tokens.confirmRefreshToken(id, 1),
  isAccessValid: (tokens, { id }) => tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: 0 })
}

export const tokenFailureLaws: TokenLaws = {
  async 'when the storage fails, every method rejects with ERR_STORE and its cause, and a watch says that it is broken' (harness) {
    const { tokens, breakStorage } = harness
    if (breakStorage === undefined) return
    const session = await signIn(harness)
    const told = new Told()
    tokens.watchRevocations(told)
    await told.hears('reset')
    await breakStorage()
    for (const [name, call] of Object.entries(CALLS)) {
      await assert.rejects(call(tokens, session), (error: unknown) => {
        assert.ok(error instanceof Error, name)
        assert.equal(Reflect.get(error, 'code'), 'ERR_STORE', name)
        assert.notEqual(error.cause, undefined, `${name} tells the cause`)
        return true
      })
    }
    await told.hears('broken')
    assert.ok(Number.isFinite(tokens.now()))
  },

  async 'a watch of a storage that cannot be reached says so, and throws nothing' ({ tokens, breakStorage }) {
    if (breakStorage === undefined) return
    await breakStorage()
    const told = new Told()
    const watch = tokens.watchRevocations(told)
    await told.hears('broken')
    await watch.close()
  },

  async 'close is idempotent, also at once, ends the watches, and leaves the sessions' (harness) {
    const { store, tokens } = harness
    const { id } = await signIn(harness)
    const told = new Told()
    tokens.watchRevocations(told)
    await told.hears('reset')
    await Promise.all(upTo(3).map(() => tokens.close()))
    await tokens.close()
    await load(store, id)
    assert.deepEqual(told.lines, ['reset'])
  }
}
