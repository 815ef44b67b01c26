/** No resurrection: however a session ended, nothing that was in flight brings it back. */

import assert from 'node:assert/strict'
import type { SessionRecord, Store } from '../session/store.js'
import { begin, facts, found, freshHash, hasValues, HOUR, isGone, load, newSession, other, put, renewal, slide, upTo } from './fixtures.js'
import type { Law, Laws, StoreHarness } from './harness.js'

const ROUNDS = 20
const USER = 'ada'

const ENDINGS: Readonly<Record<string, (harness: StoreHarness, session: SessionRecord) => Promise<unknown>>> = {
  delete: (harness, { id }) => other(harness).delete(id),
  deleteByUser: (harness) => other(harness).deleteByUser(USER),
  'a sign-in that replaces it': (harness, { id, secretHash }) => begin(other(harness), { userId: 'bob', replaces: { id, secretHash, carry: {} } }),
  'a renewal with a new id': (harness, { id, secretHash }) => other(harness).save(id, secretHash, put({}, { renew: renewal() })),
  'its expiry': (harness) => harness.advance(2 * HOUR),
  'its expiry and a cleanup': async (harness) => { await harness.advance(2 * HOUR); await harness.store.cleanup() },
  block: (harness, { id }) => other(harness).block(id, 'test')
}

/** Each resolves to what the store answered, and to an id that must not exist afterwards, if there is one. */
const WRITES: Readonly<Record<string, (store: Store, session: SessionRecord) => Promise<{ answer: unknown, newId?: string }>>> = {
  save: async (store, { id, secretHash }) => ({ answer: await store.save(id, secretHash, put({ late: true })) }),
  'a slide': async (store, { id, secretHash }) => ({ answer: await store.save(id, secretHash, slide()) }),
  compareAndSave: async (store, { id, secretHash, version }) => ({ answer: await store.compareAndSave(id, secretHash, version, put({ late: true })) }),
  'a renewal': async (store, { id, secretHash }) => {
    const renew = renewal(['a'])
    return { answer: await store.save(id, secretHash, put({ late: true }, { renew })), newId: renew.id }
  },
  'a renewal that keeps the id': async (store, { id, secretHash }) =>
    ({ answer: await store.save(id, secretHash, put({}, { renew: renewal(['a'], id) })) })
}

const afterEnding: Laws = Object.fromEntries(Object.entries(ENDINGS).flatMap(([ending, end]) =>
  Object.entries(WRITES).map(([writing, write]): [string, Law] => [`after ${ending}, ${writing} answers null and brings nothing back`, async (harness) => {
    const session = await begin(harness.store, { userId: USER, set: { a: 1 } })
    await load(harness.store, session.id)
    await end(harness, session)
    const { answer, newId } = await write(harness.store, session)
    assert.equal(answer, null)
    for (const store of [harness.store, other(harness)]) {
      assert.equal(await store.get(session.id), null, 'get should answer null')
      if (ending !== 'block') await isGone(store, session)
      if (newId !== undefined) assert.equal(await store.get(newId), null, 'the renewed session should not exist')
    }
  }])))

const withAnotherSecret: Laws = Object.fromEntries(Object.entries(WRITES).map(([writing, write]): [string, Law] =>
  [`with another secret than the stored one, ${writing} answers null and writes nothing`, async ({ store, advance }) => {
    const session = await begin(store, { userId: USER, set: { a: 1 } })
    await advance(60)
    const before = facts(await load(store, session.id))
    const { answer, newId } = await write(store, { ...session, secretHash: freshHash() })
    assert.equal(answer, null)
    assert.deepEqual(facts(await load(store, session.id)), before)
    if (newId !== undefined) assert.equal(await store.get(newId), null)
  }]))

export const endingLaws: Laws = {
  ...afterEnding,
  ...withAnotherSecret,

  async 'a session deleted while saves, slides and renewals are under way stays dead' (harness) {
    for (const round of upTo(ROUNDS)) {
      const session = await begin(harness.store, { userId: USER })
      const { id, secretHash, version } = session
      const renew = renewal()
      const writes = [
        () => harness.store.save(id, secretHash, put({ a: 1 })),
        () => other(harness).save(id, secretHash, slide()),
        () => harness.store.compareAndSave(id, secretHash, version, put({ b: 1 })),
        () => other(harness).save(id, secretHash, put({}, { renew: { ...renew, id } }))
      ]
      const before = writes.slice(0, round % 5).map((write) => write())
      const deleted = other(harness).delete(id)
      const after = writes.slice(round % 5).map((write) => write())
      await Promise.all([...before, deleted, ...after])
      assert.equal(await deleted, true, 'it was there')
      await isGone(harness.store, session)
    }
  },

  async 'a session blocked while saves are under way refuses everything afterwards' (harness) {
    for (const round of upTo(ROUNDS)) {
      const session = await begin(harness.store, { userId: USER })
      const { id, secretHash } = session
      const saves = () => [harness.store.save(id, secretHash, put({ a: 1 })), other(harness).save(id, secretHash, slide())]
      await Promise.all(round % 2 === 0 ? [...saves(), other(harness).block(id, 'test')] : [other(harness).block(id, 'test'), ...saves()])
      assert.equal(await harness.store.get(id), null)
      assert.equal(await harness.store.save(id, secretHash, put({ b: 1 })), null)
    }
  },

  async 'a save that was answered is not lost by a sign-in at the same time' (harness) {
    for (const round of upTo(ROUNDS)) {
      const old = await begin(harness.store, { set: { cart: 0 } })
      const { id, secretHash } = old
      const session = newSession({ userId: USER, replaces: { id, secretHash, carry: old.values } })
      const save = () => harness.store.save(id, secretHash, put({ cart: 1 }))
      const early = round % 2 === 0 ? save() : undefined
      const created = other(harness).create(session)
      const saved = await (early ?? save())
      await created
      await isGone(harness.store, old)
      hasValues(await harness.store.get(session.id), { cart: saved === null ? 0 : 1 })
    }
  },

  async 'deleteByUser answers the very sessions that it ended, with sign-ins under way' (harness) {
    for (const user of upTo(ROUNDS).map((n) => `user ${n}`)) {
      const sessions = upTo(4).map(() => newSession({ userId: user }))
      const early = sessions.slice(0, 2).map((session) => harness.store.create(session))
      const deleting = other(harness).deleteByUser(user)
      await Promise.all([...early, ...sessions.slice(2).map((session) => harness.store.create(session))])
      const deleted = await deleting
      for (const { id } of sessions) {
        assert.equal(await harness.store.get(id) === null, deleted.includes(id), 'dead if and only if answered')
      }
    }
  },

  async 'a session begun after one ended is not touched by what ended it' ({ store }) {
    const { id, secretHash } = await begin(store, { userId: USER })
    await store.delete(id)
    const next = await begin(store, { userId: USER })
    assert.equal(await store.delete(id), false)
    assert.equal(await store.save(id, secretHash, put({ a: 1 })), null)
    assert.deepEqual(facts(found(await store.get(next.id))), facts(next))
  }
}
