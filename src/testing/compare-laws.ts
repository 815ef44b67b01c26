/** compareAndSave: the ground that `update` stands on. */

import assert from 'node:assert/strict'
import type { Store } from '../session/store.js'
import { begin, facts, found, freshHash, hasValues, load, other, put, renewal, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

const WORKERS = 4
const INCREMENTS = 10
const MOST_ATTEMPTS = 10_000

export const compareLaws: Laws = {
  async 'compareAndSave writes at the stored version and answers what get then finds' ({ store }) {
    const { id, secretHash, version } = await begin(store, { set: { a: 1, b: 1 } })
    const saved = found(await store.compareAndSave(id, secretHash, version, { ...put({ a: 2 }), unset: ['b'] }))
    assert.deepEqual([saved.values, saved.version], [{ a: 2 }, version + 1])
    assert.deepEqual(facts(await load(store, id)), facts(saved))
  },

  async 'compareAndSave answers conflict at any other version and then writes nothing' ({ store, advance }) {
    const { id, secretHash, version } = await begin(store, { set: { a: 1 } })
    await store.save(id, secretHash, put({ a: 2 }))
    await advance(60)
    const before = facts(await load(store, id))
    for (const stale of [version, version + 2, 0]) {
      assert.equal(await store.compareAndSave(id, secretHash, stale, put({ a: 3 })), 'conflict', `version ${stale}`)
      assert.deepEqual(facts(await load(store, id)), before)
    }
  },

  async 'a slide is no reason for a conflict' ({ store }) {
    const { id, secretHash, version } = await begin(store)
    await store.save(id, secretHash, slide())
    found(await store.compareAndSave(id, secretHash, version, put({ a: 1 })))
  },

  async 'of 20 compareAndSave at once at one version exactly one writes' (harness) {
    const { id, secretHash, version } = await begin(harness.store)
    const answers = await Promise.all(upTo(20).map((n) => (n % 2 === 0 ? harness.store : other(harness)).compareAndSave(id, secretHash, version, put({ n }))))
    const winners = answers.flatMap((answer, n) => answer === 'conflict' ? [] : [n])
    assert.equal(winners.length, 1)
    hasValues(await harness.store.get(id), { n: winners[0] ?? -1 })
  },

  async 'compareAndSave never loses an increment, from two processes' (harness) {
    const { id } = await begin(harness.store, { set: { n: 0 } })
    await Promise.all(upTo(WORKERS).map((worker) => increment(worker % 2 === 0 ? harness.store : other(harness), id)))
    hasValues(await harness.store.get(id), { n: WORKERS * INCREMENTS })
  },

  async 'compareAndSave and plain saves of other keys at once lose nothing' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: { n: 0 } })
    await Promise.all([increment(harness.store, id), ...upTo(20).map((k) => other(harness).save(id, secretHash, put({ [`k${k}`]: k })))])
    hasValues(await harness.store.get(id), { n: INCREMENTS, ...Object.fromEntries(upTo(20).map((k) => [`k${k}`, k])) })
  },

  async 'compareAndSave with another secret answers null, not conflict, and writes nothing' ({ store }) {
    const created = await begin(store, { set: { a: 1 } })
    assert.equal(await store.compareAndSave(created.id, freshHash(), created.version, put({ a: 2 })), null)
    assert.equal(await store.compareAndSave(created.id, freshHash(), created.version + 1, put({ a: 2 })), null)
    assert.deepEqual(facts(await load(store, created.id)), facts(created))
  },

  async 'compareAndSave renews as save does, at its version only' ({ store }) {
    const { id, secretHash, version } = await begin(store, { set: { a: 1, b: 2 } })
    const renew = renewal(['a'])
    assert.equal(await store.compareAndSave(id, secretHash, version + 1, put({}, { renew })), 'conflict')
    hasValues(await store.get(id), { a: 1, b: 2 })
    found(await store.compareAndSave(id, secretHash, version, put({ c: 3 }, { renew })))
    assert.equal(await store.get(id), null)
    hasValues(await store.get(renew.id), { a: 1, c: 3 })
  }
}

/** Adds one, `INCREMENTS` times, as `update` does: load, compute, try, again on a conflict. */
async function increment (store: Store, id: string): Promise<void> {
  for (let done = 0, attempts = 1; done < INCREMENTS; attempts++) {
    assert.ok(attempts <= MOST_ATTEMPTS, 'conflict without end')
    const { secretHash, version, values } = await load(store, id)
    const answer = await store.compareAndSave(id, secretHash, version, put({ n: Number(values['n']) + 1 }))
    if (answer === 'conflict') continue
    found(answer)
    done++
  }
}
