/** Idle and absolute end, by the store's clock. */

import assert from 'node:assert/strict'
import type { SessionRecord, Store } from '../session/store.js'
import { apart, begin, DAY, found, HOUR, isGone, load, MINUTE, newSession, other, put, renewal, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

export const expiryLaws: Laws = {
  async 'a session lives until its idle end and is dead after it' (harness) {
    const { store, advance } = harness
    const session = await begin(store, { userId: 'ada', idleSeconds: HOUR })
    await advance(HOUR - MINUTE)
    const late = await load(other(harness), session.id)
    apart(harness, late.readAt, late.expiresAt, MINUTE, 'what is left')
    assert.equal((await store.listByUser('ada')).length, 1)
    await advance(MINUTE + 1)
    await isGone(store, session)
    await isGone(other(harness), session)
  },

  async 'a session is live one millisecond before expiresAt and dead at it' ({ store, advance, clockStandsStill }) {
    if (clockStandsStill !== true) return
    const session = await begin(store, { userId: 'ada', idleSeconds: HOUR })
    await advance(HOUR - 0.001)
    const { readAt, expiresAt } = await load(store, session.id)
    assert.equal(expiresAt.getTime() - readAt.getTime(), 1)
    assert.equal((await store.listByUser('ada')).length, 1)
    await advance(0.001)
    await isGone(store, session)
    assert.equal(await store.save(session.id, session.secretHash, slide()), null)
    assert.equal(await store.delete(session.id), false)
  },

  async 'fractions of a second count' ({ store }) {
    const { createdAt, expiresAt, absoluteExpiresAt } = await begin(store, { idleSeconds: 1800.5, absoluteSeconds: 7200.25 })
    assert.ok(Math.abs(expiresAt.getTime() - createdAt.getTime() - 1_800_500) <= 1)
    assert.ok(Math.abs(absoluteExpiresAt.getTime() - createdAt.getTime() - 7_200_250) <= 1)
  },

  async 'a session that was slid outlives its first idle end' (harness) {
    const { store, advance } = harness
    const session = await begin(store, { idleSeconds: HOUR })
    await advance(MINUTE * 50)
    await other(harness).save(session.id, session.secretHash, slide(HOUR))
    await advance(MINUTE * 50)
    await load(store, session.id)
    await advance(MINUTE * 11)
    await isGone(store, session)
  },

  async 'the session\'s own maxAge, as it is stored, goes before the idleSeconds of a change' (harness) {
    const { store } = harness
    const ends = async (changed: Promise<SessionRecord | 'conflict' | null>, seconds: number): Promise<SessionRecord> => {
      const record = found(await changed)
      apart(harness, record.readAt, record.expiresAt, seconds, 'what is left')
      return record
    }
    const begun = await begin(store, { idleSeconds: 5 * HOUR, maxAge: 5 * HOUR })
    const { id, secretHash } = begun
    await ends(store.save(id, secretHash, slide(HOUR)), 5 * HOUR)
    const { version } = await ends(other(harness).save(id, secretHash, put({ a: 1 })), 5 * HOUR)
    await ends(store.compareAndSave(id, secretHash, version, put({ b: 1 })), 5 * HOUR)
    await ends(store.save(id, secretHash, put({}, { maxAge: 7 * HOUR })), 7 * HOUR)
    const renewed = await ends(store.save(id, secretHash, put({}, { renew: renewal([]) })), 7 * HOUR)
    await ends(store.save(renewed.id, renewed.secretHash, put({}, { maxAge: null })), HOUR)
    await ends(store.save(renewed.id, renewed.secretHash, slide(2 * HOUR)), 2 * HOUR)
  },

  async 'of many saves and slides at once each counts by the maxAge of its own session' (harness) {
    const { store } = harness
    const sessions = await Promise.all(upTo(12).map((n) => begin(store, { maxAge: n % 3 === 0 ? null : (n + 1) * HOUR })))
    const saved = await Promise.all(sessions.map(({ id, secretHash }, n) => store.save(id, secretHash, n % 2 === 0 ? slide(HOUR) : put({ n }))))
    for (const record of saved.map((answer) => found(answer))) apart(harness, record.readAt, record.expiresAt, record.maxAge ?? HOUR, 'what is left')
  },

  async 'a change can move the idle end earlier' ({ store, advance }) {
    const session = await begin(store, { idleSeconds: 12 * HOUR })
    await store.save(session.id, session.secretHash, put({ a: 1 }, { idleSeconds: MINUTE }))
    await advance(MINUTE + 1)
    await isGone(store, session)
  },

  async 'no sequence of saves, slides and renewals moves the absolute end' (harness) {
    const { store, advance } = harness
    const begun = await begin(store, { userId: 'ada', idleSeconds: 5 * HOUR, absoluteSeconds: DAY })
    const life = begun.absoluteExpiresAt.getTime() - begun.createdAt.getTime()
    let session = begun
    for (let hours = 4; hours < 24; hours += 4) {
      await advance(4 * HOUR)
      session = await useAll(store, session)
      assert.equal(session.absoluteExpiresAt.getTime() - session.createdAt.getTime(), life, `the absolute life after ${hours} hours`)
      assert.ok(session.expiresAt <= session.absoluteExpiresAt, `the idle end stays before it after ${hours} hours`)
      apart(harness, session.readAt, session.absoluteExpiresAt, (24 - hours) * HOUR, 'what is left')
    }
    await advance(4 * HOUR + 1)
    await isGone(store, session)
    assert.equal(await store.save(session.id, session.secretHash, slide(DAY)), null)
  },

  async 'a slide is cut at the absolute end' ({ store }) {
    const { id, secretHash, absoluteExpiresAt } = await begin(store, { absoluteSeconds: 2 * HOUR })
    for (const change of [slide(DAY), put({ a: 1 }, { idleSeconds: DAY })]) {
      assert.deepEqual((await store.save(id, secretHash, change))?.expiresAt, absoluteExpiresAt)
    }
    assert.deepEqual((await load(store, id)).expiresAt, absoluteExpiresAt)
  },

  async 'readAt is the store\'s clock, whichever method read' (harness) {
    const { store, advance } = harness
    const begun = await begin(store, { userId: 'ada' })
    await advance(10 * MINUTE)
    const read = [await load(store, begun.id), ...await store.listByUser('ada'), await load(other(harness), begun.id)]
    for (const { createdAt, readAt } of read) apart(harness, createdAt, readAt, 10 * MINUTE, 'the age by readAt')
    const saved = found(await store.save(begun.id, begun.secretHash, slide()))
    apart(harness, saved.createdAt, saved.readAt, 10 * MINUTE, 'the age by readAt of save')
    const next = await store.create(newSession())
    apart(harness, next.createdAt, next.readAt, 0, 'the age by readAt of create')
  }
}

/** A save, a slide, a compareAndSave and a renewal, each asking for more than there is. */
async function useAll (store: Store, { id, secretHash, version }: SessionRecord): Promise<SessionRecord> {
  const idleSeconds = 20 * HOUR
  found(await store.save(id, secretHash, slide(idleSeconds)))
  found(await store.compareAndSave(id, secretHash, version, put({ a: 1 }, { idleSeconds })))
  found(await store.save(id, secretHash, put({ b: 2 }, { idleSeconds, maxAge: 10 * DAY })))
  return found(await store.save(id, secretHash, put({}, { idleSeconds, renew: renewal(['a']) })))
}
