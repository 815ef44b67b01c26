/** save and slide. */

import assert from 'node:assert/strict'
import type { SessionChange, SessionRecord } from '../session/store.js'
import { apart, begin, DAY, facts, found, HOUR, hasValues, load, MINUTE, other, put, saveSeen, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

export const saveLaws: Laws = {
  async 'save sets and removes the keys named and leaves the others' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { a: 1, b: { x: 1, y: 2 }, c: 3 } })
    await store.save(id, secretHash, { ...put({ b: { x: 9 }, d: null }), unset: ['c', 'never there'] })
    hasValues(await store.get(id), { a: 1, b: { x: 9 }, d: null })
  },

  async 'save answers what get then finds' (harness) {
    const { id, secretHash } = await begin(harness.store, { userId: 'ada', claims: { isAdmin: false }, set: { a: 1 } })
    const saved = found(await harness.store.save(id, secretHash, put({ b: 2 })))
    assert.deepEqual(facts(await load(other(harness), id)), facts(saved))
    const slid = found(await harness.store.save(id, secretHash, slide(2 * HOUR)))
    assert.deepEqual(facts(await load(other(harness), id)), facts(slid))
  },

  async 'saves on records that were seen answer what get then finds, whatever has changed since' (harness) {
    const { store } = harness
    const theirs = other(harness)
    const see = async (userId: string): Promise<SessionRecord> => load(store, (await begin(store, { userId, set: { a: 1, b: 2 } })).id)
    const [untouched, saved, slid, promoted, ended] = await Promise.all([see('ada'), see('ben'), see('cem'), see('dan'), see('eve')])
    await theirs.save(saved.id, saved.secretHash, { ...put({ c: 'theirs' }), unset: ['b'] })
    await theirs.save(slid.id, slid.secretHash, slide(2 * HOUR))
    await theirs.setClaims('dan', { isAdmin: true })
    await theirs.delete(ended.id)
    const saveAll = (records: readonly SessionRecord[], change: SessionChange): Promise<Array<SessionRecord | null>> =>
      Promise.all(records.map((seen) => saveSeen(store, seen, change)))
    const answers = await saveAll([untouched, saved, slid, promoted, ended], { ...put({ mine: 1 }), unset: ['a'] })
    assert.deepEqual(answers.map((record) => record?.values), [{ b: 2, mine: 1 }, { c: 'theirs', mine: 1 }, { b: 2, mine: 1 }, { b: 2, mine: 1 }, undefined])
    assert.deepEqual(answers[3]?.claims, { isAdmin: true })
    const living = answers.filter((record) => record !== null)
    for (const record of living) assert.deepEqual(facts(await load(theirs, record.id)), facts(record))
    for (const change of [put({ mine: 2 }), slide(2 * HOUR), { ...put({ b: 3 }), unset: ['mine', 'c'] }]) {
      const again = await Promise.all(living.map(({ id }) => load(store, id)))
      for (const record of await saveAll(again, change)) assert.deepEqual(facts(await load(theirs, found(record).id)), facts(found(record)))
    }
  },

  async 'of 50 saves at once of different keys all survive' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: { first: 'kept' } })
    const saves = upTo(50).map((n) => (n % 2 === 0 ? harness.store : other(harness)).save(id, secretHash, put({ [`key${n}`]: n })))
    for (const [n, saved] of (await Promise.all(saves)).entries()) assert.equal(saved?.values[`key${n}`], n, 'each caller sees its own')
    hasValues(await harness.store.get(id), { first: 'kept', ...Object.fromEntries(upTo(50).map((n) => [`key${n}`, n])) })
  },

  async 'saves and removals at once of different keys all survive' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: Object.fromEntries(upTo(20).map((n) => [`old${n}`, n])) })
    await Promise.all(upTo(20).map((n) => (n % 2 === 0 ? harness.store : other(harness)).save(id, secretHash,
      n < 10 ? { ...put({}), unset: [`old${n}`] } : put({ [`new${n}`]: n }))))
    hasValues(await other(harness).get(id), Object.fromEntries(upTo(20).slice(10).flatMap((n) => [[`old${n}`, n], [`new${n}`, n]])))
  },

  async 'of saves of one key the last committed wins' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: { k: 'first' } })
    await harness.store.save(id, secretHash, put({ k: 'second' }))
    await other(harness).save(id, secretHash, put({ k: 'third' }))
    hasValues(await harness.store.get(id), { k: 'third' })
    const saved = (await Promise.all(upTo(20).map((n) => (n % 2 === 0 ? harness.store : other(harness)).save(id, secretHash, put({ k: n })))))
      .map((record) => found(record))
    const last = await load(harness.store, id)
    const newest = saved.filter(({ version }) => version === last.version)
    assert.ok(newest.length > 0, 'the stored version is one that a save answered')
    for (const { values } of newest) assert.deepEqual(values, last.values, 'the save with the highest version is what is stored')
  },

  async 'a set and a removal of one key leave the last of the two' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { k: 1 } })
    await store.save(id, secretHash, { ...put({}), unset: ['k'] })
    hasValues(await store.get(id), {})
    await store.save(id, secretHash, put({ k: 2 }))
    hasValues(await store.get(id), { k: 2 })
  },

  async 'a change of values adds one to the version, a slide nothing' ({ store }) {
    const { id, secretHash, version } = await begin(store)
    assert.equal((await store.save(id, secretHash, put({ a: 1 })))?.version, version + 1)
    assert.equal((await store.save(id, secretHash, slide()))?.version, version + 1)
    assert.equal((await store.save(id, secretHash, { ...put({}), unset: ['a'] }))?.version, version + 2)
    assert.equal((await load(store, id)).version, version + 2)
  },

  async 'a slide moves the idle end and lastSeenAt to the store\'s now' (harness) {
    const { store, advance } = harness
    const { id, secretHash } = await begin(store, { idleSeconds: HOUR })
    await advance(MINUTE * 30)
    const before = await load(store, id)
    apart(harness, before.lastSeenAt, before.readAt, MINUTE * 30, 'from the last use to now, before the slide')
    const slid = found(await store.save(id, secretHash, slide(2 * HOUR)))
    apart(harness, slid.lastSeenAt, slid.readAt, 0, 'from the last use to now, after the slide')
    apart(harness, slid.readAt, slid.expiresAt, 2 * HOUR, 'from now to the idle end')
  },

  async 'a save moves the idle end and lastSeenAt too' (harness) {
    const { store, advance } = harness
    const { id, secretHash } = await begin(store, { idleSeconds: HOUR })
    await advance(MINUTE * 30)
    const saved = found(await store.save(id, secretHash, put({ a: 1 }, { idleSeconds: 3 * HOUR })))
    apart(harness, saved.lastSeenAt, saved.readAt, 0, 'from the last use to now')
    apart(harness, saved.readAt, saved.expiresAt, 3 * HOUR, 'from now to the idle end')
  },

  async 'a slide writes only time columns: a save since its load survives it' (harness) {
    const { id, secretHash } = await begin(harness.store, { userId: 'ada', claims: { roles: ['user'] }, set: { k: 'old', gone: 1 }, absoluteSeconds: DAY })
    await load(harness.store, id)
    await load(other(harness), id)
    const saved = found(await other(harness).save(id, secretHash, { ...put({ k: 'new' }), unset: ['gone'] }))
    await other(harness).setClaims('ada', { roles: ['admin'] })
    const slid = found(await harness.store.save(id, secretHash, slide()))
    for (const record of [slid, await load(other(harness), id)]) {
      assert.deepEqual(record.values, { k: 'new' })
      assert.deepEqual([record.claims, record.version], [{ roles: ['admin'] }, saved.version])
    }
  },

  async 'of saves and slides at once no value is lost' (harness) {
    const { id, secretHash } = await begin(harness.store)
    await Promise.all(upTo(30).map((n) => (n % 2 === 0 ? harness.store : other(harness)).save(id, secretHash, n % 3 === 0 ? slide() : put({ [`k${n}`]: n }))))
    hasValues(await harness.store.get(id), Object.fromEntries(upTo(30).filter((n) => n % 3 !== 0).map((n) => [`k${n}`, n])))
  },

  async 'a save leaves the session\'s own maxAge unless it brings one; null takes it away' ({ store }) {
    const { id, secretHash } = await begin(store, { maxAge: 600 })
    assert.equal((await store.save(id, secretHash, put({ a: 1 })))?.maxAge, 600)
    assert.equal((await store.save(id, secretHash, { ...slide(), maxAge: 1200 }))?.maxAge, 1200)
    assert.equal((await store.save(id, secretHash, slide()))?.maxAge, 1200)
    assert.equal((await store.save(id, secretHash, put({ a: 2 }, { maxAge: null })))?.maxAge, null)
    assert.equal((await load(store, id)).maxAge, null)
  }
}
