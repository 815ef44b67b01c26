/** create, get, delete. */

import assert from 'node:assert/strict'
import { newId } from '../core/credential.js'
import type { Store } from '../session/store.js'
import { apart, begin, DAY, facts, found, freshHash, HOUR, hasValues, isGone, load, MINUTE, newSession, other, put, renewal, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

const FULL = {
  userId: 'user "1" – ü',
  claims: { isAdmin: true, roles: ['editor', 'owner'], plan: { seats: 3 } },
  set: { cart: [1, 2], name: 'Ada' },
  maxAge: 7200,
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) “test”',
  clientIp: '2001:db8::7'
}

/** No session has these ids: some could not be one. */
const STRANGE_IDS = ['', 'x', '__proto__', 'constructor', "' OR 1=1 --", '\0', '../..', 'ü'.repeat(300), '00000000-0000-0000-0000-00000000000g']

export const lifeLaws: Laws = {
  async 'create stores all that it was given, and get finds it' ({ store }) {
    const session = newSession(FULL)
    const created = await store.create(session)
    const { id, userId, claims, values, maxAge, userAgent, clientIp, blockedAt, blockedReason } = created
    assert.deepEqual({ id, userId, claims, values, maxAge, userAgent, clientIp, blockedAt, blockedReason },
      { id: session.id, ...omitSet(FULL), values: FULL.set, blockedAt: null, blockedReason: null })
    assert.deepEqual(Buffer.from(created.secretHash), Buffer.from(session.secretHash))
    assert.deepEqual(facts(await load(store, session.id)), facts(created))
  },

  async 'create counts the idle end and the absolute end from the store\'s now' (harness) {
    const created = await begin(harness.store, { idleSeconds: HOUR, absoluteSeconds: DAY })
    assert.deepEqual(created.lastSeenAt, created.createdAt, 'seen when created')
    apart(harness, created.createdAt, created.readAt, 0, 'from creation to reading')
    apart(harness, created.createdAt, created.expiresAt, HOUR, 'the idle life')
    apart(harness, created.createdAt, created.absoluteExpiresAt, DAY, 'the absolute life')
  },

  async 'create never sets the idle end later than the absolute end' ({ store }) {
    const created = await begin(store, { idleSeconds: DAY, absoluteSeconds: HOUR })
    assert.deepEqual(created.expiresAt, created.absoluteExpiresAt)
  },

  async 'a session with a user was authenticated when it was created, a visitor\'s never' ({ store }) {
    const visitor = await begin(store)
    assert.equal(visitor.authenticatedAt, null)
    assert.equal((await load(store, visitor.id)).authenticatedAt, null)
    const user = await begin(store, { userId: 'ada' })
    assert.deepEqual(user.authenticatedAt, user.createdAt)
  },

  async 'an id that exists is never taken over, by create or by renew' ({ store }) {
    const mine = await begin(store, { set: { mine: 1 } })
    const yours = await begin(store, { set: { yours: 1 } })
    await assert.rejects(store.create(newSession({ id: mine.id, set: { theirs: 1 } })), 'create with an id that exists')
    await assert.rejects(store.save(yours.id, yours.secretHash, put({}, { renew: renewal([], mine.id) })), 'renew to an id that exists')
    assert.deepEqual(facts(await load(store, mine.id)), facts(mine))
    assert.deepEqual(facts(await load(store, yours.id)), facts(yours))
  },

  async 'an id that no session has is an answer, not an error, whatever its form' ({ store }) {
    for (const id of [newId(), ...STRANGE_IDS]) await answersNothing(store, id)
  },

  async 'get sees what another process committed before the call' (harness) {
    const { id, secretHash } = await begin(harness.store)
    for (const n of upTo(20)) {
      const [writer, reader] = n % 2 === 0 ? [harness.store, other(harness)] : [other(harness), harness.store]
      await writer.save(id, secretHash, put({ n }))
      hasValues(await reader.get(id), { n })
    }
  },

  async 'of many gets, saves and slides at once each caller gets its own session' ({ store }) {
    const all = await Promise.all(upTo(20).map((n) => begin(store, { set: { n } })))
    await Promise.all(all.flatMap(({ id, secretHash }, n) => [
      store.get(id).then((record) => { assert.equal(record?.values['n'], n) }),
      store.get(newId()).then((record) => { assert.equal(record, null) }),
      store.save(id, secretHash, put({ saved: n })).then((record) => { assert.equal(record?.values['saved'], n) }),
      store.save(id, secretHash, slide()).then((record) => { assert.equal(record?.id, id) }),
      store.save(id, freshHash(), put({ saved: -1 })).then((record) => { assert.equal(record, null) })
    ]))
    for (const [n, { id }] of all.entries()) hasValues(await store.get(id), { n, saved: n })
  },

  async 'delete ends a session for every process and answers true, then false' (harness) {
    const session = await begin(harness.store, { userId: 'ada' })
    const neighbour = await begin(harness.store, { userId: 'ada' })
    assert.equal(await harness.store.delete(session.id), true)
    await isGone(harness.store, session)
    await isGone(other(harness), session)
    assert.equal(await other(harness).delete(session.id), false)
    assert.deepEqual(facts(await load(harness.store, neighbour.id)), facts(neighbour))
  },

  async 'of many deletes at once exactly one answers true' (harness) {
    const { id } = await begin(harness.store)
    const answers = await Promise.all(upTo(10).map((n) => (n % 2 === 0 ? harness.store : other(harness)).delete(id)))
    assert.equal(answers.filter(Boolean).length, 1)
  },

  async 'delete answers true for a blocked session and false for an expired one' ({ store, advance }) {
    const blocked = await begin(store)
    await store.block(blocked.id, 'test')
    assert.equal(await store.delete(blocked.id), true)
    assert.equal(await store.unblock(blocked.id), false, 'nothing is left to unblock')
    const expired = await begin(store, { idleSeconds: MINUTE })
    await advance(HOUR)
    assert.equal(await store.delete(expired.id), false)
  },

  async 'delete with a secret\'s hash ends the session of that secret alone, live or blocked' (harness) {
    for (const isBlocked of [false, true]) {
      const session = await begin(harness.store)
      const { id, secretHash } = found(await harness.store.save(session.id, session.secretHash, put({}, { renew: renewal([], session.id) })))
      if (isBlocked) await harness.store.block(id, 'test')
      for (const wrong of [session.secretHash, freshHash()]) assert.equal(await harness.store.delete(id, wrong), false, 'of another secret')
      assert.equal(await harness.store.unblock(id), true, 'it is still there')
      await load(other(harness), id)
      if (isBlocked) await harness.store.block(id, 'test')
      assert.equal(await harness.store.delete(id, secretHash), true)
      assert.equal(await harness.store.unblock(id), false, 'nothing is left to unblock')
      await isGone(other(harness), { ...session, secretHash })
      assert.equal(await other(harness).delete(id, secretHash), false)
    }
  }
}

function omitSet ({ set, ...rest }: typeof FULL): object {
  return rest
}

async function answersNothing (store: Store, id: string): Promise<void> {
  const hash = freshHash()
  const what = `for the id ${JSON.stringify(id.slice(0, 40))}`
  assert.equal(await store.get(id), null, `get ${what}`)
  assert.equal(await store.save(id, hash, put({ a: 1 })), null, `save ${what}`)
  assert.equal(await store.save(id, hash, slide()), null, `slide ${what}`)
  assert.equal(await store.compareAndSave(id, hash, 1, put({ a: 1 })), null, `compareAndSave ${what}`)
  assert.equal(await store.delete(id), false, `delete ${what}`)
  assert.equal(await store.block(id, 'test'), false, `block ${what}`)
  assert.equal(await store.unblock(id), false, `unblock ${what}`)
}
