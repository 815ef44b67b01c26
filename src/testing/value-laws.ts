/** What values survive, how large they may be, and who can change them. */

import assert from 'node:assert/strict'
import type { Json, JsonObject, SessionRecord } from '../session/store.js'
import { begin, facts, found, freshHash, hasValues, HOUR, load, newSession, other, put, renewal, saveSeen, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

const LIMIT_BYTES = 256 * 1024
/** Stores may measure their own form of the JSON: blanks and the like. */
const SLACK_BYTES = 1024

const deep = (levels: number): Json => levels === 0 ? 'bottom' : levels % 2 === 0 ? [deep(levels - 1)] : { down: deep(levels - 1) }

const ODD_VALUES: JsonObject = {
  emoji: '👩‍👩‍👧‍👦🏳️‍🌈',
  rightToLeft: 'שלום مرحبا',
  combining: 'e\u0301 is not \u00e9',
  edges: '\uffff \ufeff \u2028 \u2029 \u007f \u0001 \\ " \' / \\u0041 $1 %s {{x}}',
  numbers: [0, -1, 0.1, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  empty: ['', [], {}, null, false],
  'a.b[0]': 1,
  '': 2,
  ключ: 3,
  0: 4,
  deep: deep(30)
}

/** `__proto__` as JSON gives it: a key of its own. */
const HOSTILE: JsonObject = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":"text","hasOwnProperty":1,"length":5}')

export const valueLaws: Laws = {
  async 'odd values and hostile keys that are saved at once, on records that were seen, are answered as get then finds them' ({ store }) {
    const begun = await Promise.all([begin(store, { set: ODD_VALUES }), begin(store, { set: HOSTILE })])
    const seen = await Promise.all(begun.map(({ id }) => load(store, id)))
    const changes = [{ ...put(HOSTILE), unset: ['emoji', 'never there'] }, { ...put(ODD_VALUES), unset: ['toString', '__proto__'] }]
    const saved = await Promise.all(seen.map((record, n) => saveSeen(store, record, changes[n] ?? put({}))))
    for (const record of saved) assert.deepEqual(facts(await load(store, found(record).id)), facts(found(record)))
  },

  async 'values read back deep-equal: Unicode, deep nesting, odd keys and numbers' (harness) {
    const { id, secretHash } = await begin(harness.store, { set: ODD_VALUES })
    hasValues(await other(harness).get(id), ODD_VALUES)
    hasValues(await harness.store.save(id, secretHash, put({ again: ODD_VALUES })), { ...ODD_VALUES, again: ODD_VALUES })
    hasValues(await other(harness).get(id), { ...ODD_VALUES, again: ODD_VALUES })
  },

  async 'keys named like members of objects are keys like any other and pollute nothing' ({ store }) {
    const { id, secretHash } = await begin(store, { set: { plain: 1 } })
    await store.save(id, secretHash, { ...put(HOSTILE), unset: ['valueOf'] })
    const { values } = await load(store, id)
    assert.equal(Reflect.get({}, 'polluted'), undefined, 'Object.prototype is untouched')
    assert.equal(Object.getPrototypeOf(values), Object.prototype, 'the values have the usual prototype')
    assert.equal(Reflect.get(values, 'polluted'), undefined)
    for (const key of ['toString', 'hasOwnProperty', 'length', 'constructor']) assert.deepEqual(Object.getOwnPropertyDescriptor(values, key)?.value, HOSTILE[key], key)
    const rest = await store.save(id, secretHash, { ...put({}), unset: Object.keys(HOSTILE) })
    hasValues(rest, { plain: 1 })
  },

  async 'what a method returned can be changed by the caller without changing what is stored' ({ store }) {
    const created = await begin(store, { userId: 'ada', set: { list: [1], nested: { a: 1 } }, claims: { roles: ['user'] } })
    const { id, secretHash } = created
    const before = facts(await load(store, id))
    vandalise(await load(store, id))
    assert.deepEqual(facts(await load(store, id)), before, 'after changing what get returned')
    for (const listed of await store.listByUser('ada')) vandalise(listed)
    assert.deepEqual(facts(await load(store, id)), before, 'after changing what listByUser returned')
    const hash = Uint8Array.from(secretHash)
    vandalise(created)
    assert.deepEqual(facts(await load(store, id)), before, 'after changing what create returned')
    const saved = await store.save(id, hash, put({ more: [1] }))
    const after = facts(await load(store, id))
    if (saved !== null) vandalise(saved)
    assert.deepEqual(facts(await load(store, id)), after, 'after changing what save returned')
  },

  async 'view, where a store has it, answers what get answers, and what it gave stays as it was' (harness) {
    const { store } = harness
    const view = async (id: string): Promise<SessionRecord | null> => await (store.view === undefined ? store.get(id) : store.view(id))
    const { id, secretHash } = await begin(store, { userId: 'ada', set: { list: [1], nested: { a: 1 } }, claims: { roles: ['user'] } })
    for (const change of [put({ list: [2] }), slide(2 * HOUR), { ...put({}), unset: ['nested'] }]) {
      for (let time = 0; time < 3; time++) await view(id) // who keeps what does not change has it by then
      const seen = found(await view(id))
      const before = structuredClone(facts(seen))
      assert.deepEqual(before, facts(await load(store, id)))
      vandalise(await load(store, id))
      await store.save(id, secretHash, change)
      assert.deepEqual(facts(seen), before, 'what was given before the change')
      assert.deepEqual(facts(found(await view(id))), facts(await load(other(harness), id)), 'what is given after it')
    }
    await store.delete(id)
    assert.equal(await view(id), null)
  },

  async 'two callers never get the same object' ({ store }) {
    const { id } = await begin(store, { set: { list: [1] } })
    const [one, two] = await Promise.all([store.get(id), store.get(id)])
    if (one !== null) vandalise(one)
    hasValues(two, { list: [1] })
  },

  async 'what a method was given can be changed afterwards without changing what is stored' ({ store }) {
    const list = [1]
    const roles = ['user']
    const hash = freshHash()
    const { id } = await begin(store, { userId: 'ada', secretHash: hash, set: { list }, claims: { roles } })
    const original = Uint8Array.from(hash)
    const renew = renewal(['list'])
    list.push(2)
    roles.push('admin')
    hash.fill(0)
    const record = await load(store, id)
    assert.deepEqual([record.values, record.claims], [{ list: [1] }, { roles: ['user'] }])
    const kept = Uint8Array.from(renew.secretHash)
    await store.save(id, original, put({ more: list }, { renew }))
    list.push(3)
    renew.secretHash.fill(0)
    hasValues(await store.save(renew.id, kept, put({})), { list: [1], more: [1, 2] })
  },

  async 'merged values over 256 KiB are refused, in UTF-8 bytes, and nothing is written' ({ store }) {
    const created = await begin(store, { set: { a: 'x'.repeat(LIMIT_BYTES / 2) } })
    const { id, secretHash } = created
    const half = LIMIT_BYTES / 2
    await refused(store.save(id, secretHash, put({ b: 'x'.repeat(half + SLACK_BYTES) })))
    await refused(store.save(id, secretHash, put({ b: 'ü'.repeat((half + SLACK_BYTES) / 2) })))
    await refused(store.compareAndSave(id, secretHash, created.version, put({ b: 'x'.repeat(half + SLACK_BYTES) })))
    await refused(store.save(id, secretHash, put({ b: 'x'.repeat(half + SLACK_BYTES) }, { renew: renewal(['a']) })))
    assert.deepEqual(facts(await load(store, id)), facts(created))
    const most = { a: 'x'.repeat(half), b: 'x'.repeat(half - SLACK_BYTES) }
    hasValues(await store.save(id, secretHash, put({ b: most.b })), most)
    hasValues(await store.save(id, secretHash, { ...put({ c: most.a }), unset: ['a'] }), { b: most.b, c: most.a })
  },

  async 'create refuses values over 256 KiB, and then stores and replaces nothing' ({ store }) {
    const old = await begin(store, { set: { a: 'x'.repeat(LIMIT_BYTES / 2) } })
    const replaces = { id: old.id, secretHash: old.secretHash, carry: {} }
    const session = newSession({ userId: 'ada', set: { b: 'x'.repeat(LIMIT_BYTES / 2 + SLACK_BYTES) }, replaces })
    await refused(store.create(session))
    assert.equal(await store.get(session.id), null)
    assert.deepEqual(facts(await load(store, old.id)), facts(old))
    await refused(begin(store, { set: { b: 'x'.repeat(LIMIT_BYTES + SLACK_BYTES) } }))
  },

  async 'a save that is too large fails for its own caller alone' ({ store }) {
    const { id, secretHash } = await begin(store)
    const neighbour = await begin(store)
    const small = upTo(10)
    await Promise.all([
      ...small.slice(0, 5).map((n) => store.save(id, secretHash, put({ [`k${n}`]: n }))),
      refused(store.save(id, secretHash, put({ big: 'x'.repeat(LIMIT_BYTES + SLACK_BYTES) }))),
      store.save(neighbour.id, neighbour.secretHash, put({ n: 1 })),
      ...small.slice(5).map((n) => store.save(id, secretHash, put({ [`k${n}`]: n })))
    ])
    hasValues(await store.get(id), Object.fromEntries(small.map((n) => [`k${n}`, n])))
    hasValues(await store.get(neighbour.id), { n: 1 })
  }
}

async function refused (answer: Promise<unknown>): Promise<void> {
  await assert.rejects(answer, { code: 'ERR_SESSION_TOO_LARGE' })
}

/** Changes all of a record that can be changed. Reflect: to the type it is read-only, to its owner it is not. */
function vandalise (record: SessionRecord): void {
  const { values, claims } = record
  for (const part of [...Object.values(values), ...Object.values(claims)]) {
    if (Array.isArray(part)) part.push('changed')
    else if (part !== null && typeof part === 'object') Reflect.set(part, 'changed', true)
  }
  assert.ok(Reflect.set(values, 'changed', true), 'values can be changed')
  assert.ok(Reflect.set(claims, 'isAdmin', true), 'claims can be changed')
  record.secretHash.fill(0)
  for (const instant of [record.createdAt, record.expiresAt, record.absoluteExpiresAt, record.lastSeenAt]) instant.setTime(0)
  assert.ok(Reflect.set(record, 'version', 999) && Reflect.set(record, 'userId', 'mallory'), 'the record can be changed')
}
