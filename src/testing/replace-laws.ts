/** create with `replaces`: sign-in and sign-out. */

import assert from 'node:assert/strict'
import type { SessionRecord } from '../session/store.js'
import { apart, begin, DAY, facts, freshHash, hasValues, HOUR, isGone, isListed, load, MINUTE, other, put, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

const replacing = ({ id, secretHash }: SessionRecord, carry: SessionRecord['values'] | null = {}) => ({ id, secretHash, carry })

export const replaceLaws: Laws = {
  async 'a sign-in ends the session that it replaces, at once and for every process' (harness) {
    const old = await begin(harness.store, { userId: 'visitor' })
    await load(other(harness), old.id)
    const session = await begin(harness.store, { userId: 'ada', replaces: replacing(old) })
    for (const store of [harness.store, other(harness)]) {
      await isGone(store, old)
      assert.deepEqual(facts(await load(store, session.id)), facts(session))
    }
    assert.equal(await harness.store.delete(old.id), false)
  },

  async 'a sign-in carries the values that are stored, not those that the request saw, then applies its patch' ({ store }) {
    const old = await begin(store, { set: { a: 1, b: 1, c: 1 } })
    await store.save(old.id, old.secretHash, put({ a: 2, d: 2 }))
    const session = await begin(store, { replaces: replacing(old, old.values), set: { b: 3, e: 3 }, unset: ['c'] })
    hasValues(session, { a: 2, b: 3, d: 2, e: 3 })
    hasValues(await store.get(session.id), { a: 2, b: 3, d: 2, e: 3 })
  },

  async 'a sign-in with carry null drops the old values' ({ store }) {
    const old = await begin(store, { set: { a: 1 } })
    hasValues(await begin(store, { replaces: replacing(old, null), set: { b: 2 } }), { b: 2 })
    await isGone(store, old)
  },

  async 'a sign-in takes nothing but values from the session that it replaces' (harness) {
    const { store, advance } = harness
    const old = await begin(store, { userId: 'ada', claims: { isAdmin: true }, userAgent: 'old', clientIp: '203.0.113.7', maxAge: 600, absoluteSeconds: 2 * HOUR })
    await advance(30 * MINUTE)
    const session = await begin(store, { userId: 'bob', claims: { roles: ['user'] }, replaces: replacing(old), absoluteSeconds: DAY })
    const { userId, claims, userAgent, clientIp, maxAge } = session
    assert.deepEqual({ userId, claims, userAgent, clientIp, maxAge }, { userId: 'bob', claims: { roles: ['user'] }, userAgent: null, clientIp: null, maxAge: null })
    apart(harness, session.createdAt, session.readAt, 0, 'the age')
    apart(harness, session.readAt, session.absoluteExpiresAt, DAY, 'the absolute life')
  },

  async 'a sign-in on a session that is gone begins a session with the values that the request saw' ({ store, advance }) {
    const old = await begin(store, { set: { cart: 1 } })
    await store.delete(old.id)
    const session = await begin(store, { userId: 'ada', replaces: replacing(old, old.values), set: { b: 2 } })
    hasValues(await store.get(session.id), { cart: 1, b: 2 })
    const expired = await begin(store, { set: { cart: 2 }, idleSeconds: MINUTE })
    await advance(2 * MINUTE)
    hasValues(await begin(store, { replaces: replacing(expired, expired.values), set: { b: 2 }, unset: ['cart'] }), { b: 2 })
    hasValues(await begin(store, { replaces: replacing(expired, null) }), {})
  },

  async 'a sign-in with another secret than the stored one ends nothing and takes nothing' ({ store }) {
    const theirs = await begin(store, { set: { private: 1 } })
    const session = await begin(store, { userId: 'mallory', replaces: { id: theirs.id, secretHash: freshHash(), carry: { seen: 1 } } })
    hasValues(await store.get(session.id), { seen: 1 })
    assert.deepEqual(facts(await load(store, theirs.id)), facts(theirs))
  },

  async 'a sign-in on a blocked session begins a session and leaves the block' ({ store }) {
    const old = await begin(store, { userId: 'ada', set: { a: 1 } })
    await store.block(old.id, 'stolen')
    const session = await begin(store, { userId: 'bob', replaces: replacing(old, { seen: 1 }) })
    hasValues(await store.get(session.id), { seen: 1 })
    assert.equal(await store.get(old.id), null)
    assert.ok(await isListed(store, 'ada', old.id), 'the blocked session is kept')
    assert.equal(await store.unblock(old.id), true)
    hasValues(await store.get(old.id), { a: 1 })
  },

  async 'each of many sign-ins at once on one session gets a live session with the values' (harness) {
    const old = await begin(harness.store, { set: { cart: [1, 2] } })
    const sessions = await Promise.all(upTo(10).map((n) => begin(n % 2 === 0 ? harness.store : other(harness), { userId: 'ada', replaces: replacing(old, old.values), set: { n } })))
    await isGone(harness.store, old)
    for (const [n, { id, secretHash }] of sessions.entries()) {
      hasValues(await other(harness).get(id), { cart: [1, 2], n })
      hasValues(await harness.store.save(id, secretHash, put({ usable: true })), { cart: [1, 2], n, usable: true })
    }
    assert.equal((await harness.store.listByUser('ada')).length, 10)
  },

  async 'create tells whether it has ended the session that it replaces, and of many at once one does' (harness) {
    const { store, advance } = harness
    const old = await begin(store, { userId: 'ada' })
    const told = await Promise.all(upTo(10).map((n) => begin(n % 2 === 0 ? store : other(harness), { userId: 'ada', replaces: replacing(old) })))
    assert.equal(told.filter(({ replaced }) => replaced === true).length, 1)
    const [ended, blocked, expired, theirs] = [await begin(store), await begin(store), await begin(store, { idleSeconds: MINUTE }), await begin(store)]
    await store.delete(ended.id)
    await store.block(blocked.id, 'stolen')
    await advance(2 * MINUTE)
    for (const replaces of [ended, blocked, expired, { ...theirs, secretHash: freshHash() }]) {
      assert.equal((await begin(store, { userId: 'ada', replaces: replacing(replaces) })).replaced ?? false, false)
    }
    assert.equal((await begin(store)).replaced ?? false, false, 'it replaces none')
  },

  async 'a sign-in whose session is renewed at the same time begins a session all the same' (harness) {
    for (const round of upTo(10)) {
      const old = await begin(harness.store, { set: { cart: 1 } })
      const renew = { id: old.id, secretHash: freshHash(), keep: ['cart'] }
      const save = () => harness.store.save(old.id, old.secretHash, put({}, { renew }))
      const early = round % 2 === 0 ? save() : undefined
      const session = await begin(other(harness), { userId: 'ada', replaces: replacing(old, old.values) })
      const renewed = await (early ?? save())
      hasValues(await harness.store.get(session.id), { cart: 1 })
      assert.equal(await harness.store.get(old.id) !== null, renewed !== null, 'the old one lives if and only if the renewal came first')
    }
  }
}
