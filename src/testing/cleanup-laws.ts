/** cleanup. A storage that removes what has expired by itself may find nothing to do, but spares the living too. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import type { SessionRecord, Store } from '../session/store.js'
import { begin, DAY, facts, found, HOUR, isGone, load, MINUTE, other, put, slide, upTo } from './fixtures.js'
import type { Laws, StoreHarness } from './harness.js'

const EXPIRED = 5

export const cleanupLaws: Laws = {
  async 'cleanup removes what has expired, blocked or not, answers how many, and spares the living' (harness) {
    const { store, advance } = harness
    const expired = await beginAll(store, EXPIRED)
    await store.block(expired[0]?.id ?? '', 'test')
    const living = await begin(store, { userId: 'ada', idleSeconds: DAY, absoluteSeconds: 2 * DAY, set: { a: 1 } })
    const blocked = await begin(store, { userId: 'ada', idleSeconds: DAY, absoluteSeconds: 2 * DAY })
    await store.block(blocked.id, 'test')
    assert.equal(await store.cleanup(), 0, 'nothing has expired yet')
    await advance(2 * HOUR)
    const before = facts(await load(store, living.id))
    removed(harness, await store.cleanup(), EXPIRED)
    assert.equal(await store.cleanup(), 0, 'a second run finds nothing')
    assert.deepEqual(facts(await load(other(harness), living.id)), before)
    assert.equal(await store.unblock(blocked.id), true, 'a blocked session that has not expired is kept')
    for (const session of expired) await isGone(store, session)
  },

  async 'cleanup spares a session that was slid past its first end, and removes it past its last' (harness) {
    const { store, advance } = harness
    const { id, secretHash } = await begin(store, { idleSeconds: HOUR, absoluteSeconds: 3 * DAY })
    await store.save(id, secretHash, slide(DAY))
    await advance(2 * HOUR)
    assert.equal(await store.cleanup(), 0)
    await load(store, id)
    await advance(DAY)
    assert.equal(await store.get(id), null)
    removed(harness, await store.cleanup(), 1)
  },

  async 'cleanup removes a session whose end was moved earlier' (harness) {
    const { store, advance } = harness
    const { id, secretHash } = await begin(store, { idleSeconds: DAY, absoluteSeconds: 3 * DAY })
    await store.save(id, secretHash, put({ a: 1 }, { idleSeconds: MINUTE }))
    await advance(5 * MINUTE)
    removed(harness, await store.cleanup(), 1)
  },

  async 'cleanup works in batches and tells of each' (harness) {
    await beginAll(harness.store, EXPIRED)
    await harness.advance(2 * HOUR)
    const told: number[] = []
    const count = await harness.store.cleanup({ batchSize: 2, onBatch: (soFar) => { told.push(soFar) } })
    removed(harness, count, EXPIRED)
    if (harness.expiresItself === true) return
    assert.ok(told.length >= 3, `5 sessions in batches of 2 are at least 3 batches; told of ${told.length}`)
    assert.equal(told.at(-1), count, 'the last told is the total')
    told.forEach((soFar, n) => {
      const batch = soFar - (told[n - 1] ?? 0)
      assert.ok(batch >= 0 && batch <= 2, `a batch of ${batch}`)
    })
  },

  async 'an aborted signal ends cleanup before its next batch' (harness) {
    const { store, advance } = harness
    await beginAll(store, EXPIRED)
    await advance(2 * HOUR)
    assert.equal(await store.cleanup({ signal: AbortSignal.abort() }), 0)
    const aborter = new AbortController()
    const first = await store.cleanup({ batchSize: 2, signal: aborter.signal, onBatch: () => { aborter.abort() } })
    assert.ok(first <= 2, `one batch of 2 at most; it removed ${first}`)
    removed(harness, first + await store.cleanup(), EXPIRED)
  },

  async 'no batch begins after the budget, and the next run goes on' (harness) {
    const { store, advance } = harness
    await beginAll(store, EXPIRED)
    await advance(2 * HOUR)
    const first = await store.cleanup({ batchSize: 2, budgetMs: 0 })
    assert.ok(first <= 2, `one batch of 2 at most; it removed ${first}`)
    removed(harness, first + await store.cleanup(), EXPIRED)
  },

  async 'two cleanups at once count every session once' (harness) {
    const { store, advance } = harness
    await beginAll(store, EXPIRED)
    await advance(2 * HOUR)
    const counts = await Promise.all([store.cleanup({ batchSize: 1 }), other(harness).cleanup({ batchSize: 1 })])
    removed(harness, counts[0] + counts[1] + await store.cleanup(), EXPIRED)
  },

  async 'a session that is slid while cleanups run survives them' ({ store, advance }) {
    await beginAll(store, EXPIRED)
    const { id, secretHash } = await begin(store, { idleSeconds: 3 * HOUR, absoluteSeconds: 3 * DAY })
    await advance(2 * HOUR)
    const slides = upTo(20).map(() => store.save(id, secretHash, slide(3 * HOUR)))
    const cleanups = upTo(3).map(() => store.cleanup({ batchSize: 1 }))
    for (const slid of await Promise.all(slides)) found(slid)
    await Promise.all(cleanups)
    await load(store, id)
  }
}

/** Sessions that are dead in two hours. */
function beginAll (store: Store, count: number): Promise<SessionRecord[]> {
  return Promise.all(upTo(count).map((n) => begin(store, { id: newId(), idleSeconds: MINUTE * (n + 1) })))
}

function removed ({ expiresItself }: StoreHarness, answer: number, expected: number): void {
  if (expiresItself === true) assert.ok(answer >= 0 && answer <= expected, `${answer} of ${expected} removed`)
  else assert.equal(answer, expected)
}
