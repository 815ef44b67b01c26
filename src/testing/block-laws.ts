/** block and unblock. */

import assert from 'node:assert/strict'
import { apart, begin, facts, found, HOUR, isListed, load, MINUTE, other, put } from './fixtures.js'
import type { Laws } from './harness.js'

export const blockLaws: Laws = {
  async 'a blocked session is kept and refused, in every process' (harness) {
    const session = await begin(harness.store, { userId: 'ada', set: { a: 1 } })
    await load(other(harness), session.id)
    assert.equal(await harness.store.block(session.id, 'stolen laptop'), true)
    assert.equal(await harness.store.get(session.id), null)
    assert.equal(await other(harness).get(session.id), null)
    const [listed] = await other(harness).listByUser('ada')
    assert.ok(listed, 'its user\'s list shows it')
    const { blockedAt, blockedReason, ...rest } = listed
    assert.equal(blockedReason, 'stolen laptop')
    assert.ok(blockedAt !== null)
    apart(harness, blockedAt, listed.readAt, 0, 'from the block to now')
    assert.deepEqual(facts({ ...rest, blockedAt: null, blockedReason: null }), facts(session), 'nothing else has changed')
  },

  async 'unblock gives the session back as it was' (harness) {
    const session = await begin(harness.store, { userId: 'ada', set: { a: 1 } })
    await harness.store.block(session.id, 'test')
    assert.equal(await other(harness).unblock(session.id), true)
    assert.deepEqual(facts(await load(harness.store, session.id)), facts(session))
    found(await harness.store.save(session.id, session.secretHash, put({ b: 2 })))
  },

  async 'block and unblock are idempotent, and one unblock lifts any number of blocks' ({ store }) {
    const { id } = await begin(store)
    assert.equal(await store.unblock(id), true, 'unblock of what is not blocked')
    await load(store, id)
    assert.equal(await store.block(id, 'one'), true)
    assert.equal(await store.block(id, 'two'), true)
    assert.equal(await store.get(id), null)
    assert.equal(await store.unblock(id), true)
    await load(store, id)
  },

  async 'a block touches no other session' ({ store }) {
    const mine = await begin(store, { userId: 'ada' })
    const neighbour = await begin(store, { userId: 'ada' })
    await store.block(mine.id, 'test')
    assert.deepEqual(facts(await load(store, neighbour.id)), facts(neighbour))
  },

  async 'block and unblock answer false for an expired session, and a blocked session expires' ({ store, advance }) {
    const plain = await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    const blocked = await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    await store.block(blocked.id, 'test')
    await advance(HOUR)
    assert.equal(await store.block(plain.id, 'test'), false)
    assert.equal(await store.unblock(blocked.id), false)
    assert.equal(await store.get(blocked.id), null)
    assert.ok(!await isListed(store, 'ada', blocked.id))
  }
}
