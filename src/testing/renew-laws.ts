/** save with `renew`: regenerate. */

import assert from 'node:assert/strict'
import { apart, begin, DAY, facts, found, hasValues, HOUR, load, MINUTE, other, put, renewal, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

export const renewLaws: Laws = {
  async 'a renewal keeps the keys named, then applies the patch' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { a: 1, b: 2, c: 3, d: 4 } })
    const renew = renewal(['a', 'b', 'c', 'never there'])
    const renewed = await store.save(id, secretHash, { ...put({ b: 9, e: 5 }, { renew }), unset: ['c', 'd'] })
    hasValues(renewed, { a: 1, b: 9, e: 5 })
    hasValues(await store.get(renew.id), { a: 1, b: 9, e: 5 })
  },

  async 'a renewal that names no key keeps none' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { a: 1, toString: 2 } })
    hasValues(await store.save(id, secretHash, put({}, { renew: renewal() })), {})
  },

  async 'a renewal that keeps all keeps every value, then applies the patch' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { a: 1, toString: 2, c: 3 } })
    const renew = renewal('all')
    hasValues(await store.save(id, secretHash, { ...put({ a: 9 }, { renew }), unset: ['c'] }), { a: 9, toString: 2 })
    hasValues(await store.get(renew.id), { a: 9, toString: 2 })
  },

  async 'a renewal that reauthenticates sets authenticatedAt to now, and no other does' (harness) {
    const { store, advance } = harness
    const begun = await begin(store, { userId: 'ada', idleSeconds: HOUR })
    await advance(30 * MINUTE)
    const before = await load(store, begun.id)
    const first = found(await store.save(begun.id, begun.secretHash, put({}, { renew: renewal('all') })))
    assert.deepEqual(first.authenticatedAt, before.authenticatedAt)
    const again = found(await store.save(first.id, first.secretHash, put({}, { renew: { ...renewal('all'), reauthenticates: true } })))
    assert.ok(again.authenticatedAt !== null)
    apart(harness, before.createdAt, again.authenticatedAt, 30 * MINUTE, 'from the sign-in to the second proof')
    assert.deepEqual((await load(other(harness), again.id)).authenticatedAt, again.authenticatedAt)
  },

  async 'a renewal that drops tokens takes its new id where there are none, too' ({ store }) {
    const { id, secretHash } = await begin(store, { userId: 'ada' })
    const renew = { ...renewal('all'), dropsTokens: true }
    assert.equal(found(await store.save(id, secretHash, put({}, { renew }))).id, renew.id)
    assert.equal(await store.get(id), null)
  },

  async 'a renewal keeps user, claims, device, times of creation and sign-in, and the absolute end' ({ store, advance }) {
    const begun = await begin(store, { userId: 'ada', claims: { roles: ['user'] }, userAgent: 'test', clientIp: '203.0.113.7', maxAge: 600, idleSeconds: HOUR, absoluteSeconds: DAY })
    await advance(30 * MINUTE)
    const before = await load(store, begun.id)
    const renew = renewal()
    found(await store.save(begun.id, begun.secretHash, put({}, { renew })))
    const after = await load(store, renew.id)
    for (const name of ['userId', 'claims', 'userAgent', 'clientIp', 'maxAge', 'createdAt', 'authenticatedAt', 'absoluteExpiresAt', 'blockedAt', 'blockedReason'] as const) {
      assert.deepEqual(after[name], before[name], name)
    }
    assert.deepEqual((await store.listByUser('ada')).map(({ id }) => id), [renew.id])
  },

  async 'a renewal moves the idle end and lastSeenAt as a slide does' ({ store, advance }) {
    const begun = await begin(store, { idleSeconds: HOUR })
    await advance(30 * MINUTE)
    const before = await load(store, begun.id)
    const after = found(await store.save(begun.id, begun.secretHash, put({}, { renew: renewal(), idleSeconds: 2 * HOUR })))
    assert.ok(after.lastSeenAt > before.lastSeenAt)
    assert.equal(after.expiresAt.getTime() - after.lastSeenAt.getTime(), 2 * HOUR * 1000)
  },

  async 'a renewal kills the old id and the old secret in every process, and the new ones live' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: { a: 1 } })
    await load(other(harness), id)
    const renew = renewal(['a'])
    const renewed = found(await harness.store.save(id, secretHash, put({}, { renew })))
    assert.deepEqual([renewed.id, Buffer.from(renewed.secretHash)], [renew.id, Buffer.from(renew.secretHash)])
    for (const store of [harness.store, other(harness)]) {
      assert.equal(await store.get(id), null, 'the old id')
      assert.equal(await store.save(id, renew.secretHash, slide()), null, 'the old id with the new secret')
      assert.equal(await store.save(renew.id, secretHash, slide()), null, 'the new id with the old secret')
      assert.deepEqual(facts(await load(store, renew.id)), facts(renewed))
    }
    hasValues(await harness.store.save(renew.id, renew.secretHash, put({ b: 2 })), { a: 1, b: 2 })
    assert.equal(await harness.store.delete(id), false, 'nothing is left of the old one')
  },

  async 'a renewal may keep the id, and kills the old secret then' ({ store }) {
    const { id, secretHash } = await begin(store, { userId: 'ada', set: { a: 1, b: 2 } })
    const renew = renewal(['a'], id)
    hasValues(await store.save(id, secretHash, put({ c: 3 }, { renew })), { a: 1, c: 3 })
    assert.equal(await store.save(id, secretHash, put({ d: 4 })), null)
    assert.equal(await store.save(id, secretHash, slide()), null)
    hasValues(await store.save(id, renew.secretHash, slide()), { a: 1, c: 3 })
    assert.equal((await store.listByUser('ada')).length, 1)
  },

  async 'the version that a renewal answers is the one to compare with' ({ store }) {
    const { id, secretHash } = await begin(store)
    const renew = renewal()
    const { version } = found(await store.save(id, secretHash, put({ a: 1 }, { renew })))
    found(await store.compareAndSave(renew.id, renew.secretHash, version, put({ b: 2 })))
  },

  async 'of renewals at once exactly one succeeds' (harness) {
    const { id, secretHash } = await begin(harness.store, { userId: 'ada' })
    const renewals = upTo(10).map(() => renewal())
    const answers = await Promise.all(renewals.map((renew, n) => (n % 2 === 0 ? harness.store : other(harness)).save(id, secretHash, put({}, { renew }))))
    const winners = answers.flatMap((answer) => answer === null ? [] : [answer.id])
    assert.equal(winners.length, 1)
    assert.deepEqual((await harness.store.listByUser('ada')).map((record) => record.id), winners)
    for (const renew of renewals) assert.equal(await harness.store.get(renew.id) !== null, winners.includes(renew.id))
  },

  async 'of saves at once with a renewal that keeps their keys none that was answered is lost' (harness) {
    const { id, secretHash } = await begin(harness.store)
    const keys = upTo(12).map((n) => `k${n}`)
    const renew = renewal(keys)
    const early = keys.slice(0, 6).map((key) => harness.store.save(id, secretHash, put({ [key]: 1 })))
    const renewed = other(harness).save(id, secretHash, put({}, { renew }))
    const saved = await Promise.all([...early, ...keys.slice(6).map((key) => harness.store.save(id, secretHash, put({ [key]: 1 })))])
    found(await renewed)
    hasValues(await harness.store.get(renew.id), Object.fromEntries(keys.filter((_, n) => saved[n] !== null).map((key) => [key, 1])))
  }
}
