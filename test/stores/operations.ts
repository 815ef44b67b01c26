/** Random operations on a store, and how their answers are told so that two stores can be compared. */

import { createHash, randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Claims, CreatedRecord, JsonObject, NewSession, SessionChange, Store } from '../../src/session/store.js'
import { newSession } from '../../src/testing/fixtures.js'

/** A session that has been begun: what a client of it knows. */
export interface Known { readonly id: string, readonly secretHash: Uint8Array, readonly version: number, readonly values: JsonObject }

/** One call, ready to be made on any store. `knows`: what a successful call has begun or changed. */
export interface Call {
  readonly text: string
  readonly run: (store: Store) => Promise<unknown>
}

export type Operation = (known: readonly Known[]) => Call | { readonly advance: number }

/** The instants of the model are whole thousands of seconds; a clock that runs for 50 s more changes nothing. */
const seconds = fc.constantFrom(1000, 2000, 4000, 8000)
const user = fc.constantFrom('ada', 'bob')
const key = fc.constantFrom('a', 'b', 'c', 'toString', '')
const patch = fc.record({
  set: fc.dictionary(key, fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' }), { maxKeys: 3 }),
  unset: fc.uniqueArray(key, { maxLength: 2 })
}).map(({ set, unset }) => ({ set: toJson(set), unset: unset.filter((name) => !Object.hasOwn(set, name)) }))
const claims: fc.Arbitrary<Claims> = fc.record({ isAdmin: fc.boolean(), roles: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }) }, { noNullPrototype: true, requiredKeys: [] })
const whose = fc.nat({ max: 1000 })

const mostly = (weight: number): fc.Arbitrary<boolean> => fc.integer({ min: 1, max: 10 }).map((n) => n <= weight)

const begin = fc.record({
  user: fc.option(user),
  patch,
  claims,
  idle: seconds,
  absolute: seconds,
  maxAge: fc.option(seconds),
  atMost: fc.option(fc.constantFrom(1, 2, 3), { freq: 3, nil: undefined }),
  replaces: fc.option(fc.record({ whose, carry: fc.boolean(), rightSecret: mostly(8) }), { freq: 2 })
}).map(({ user, patch, claims, idle, absolute, maxAge, atMost, replaces }): Operation => (known) => {
  const old = replaces && pick(known, replaces.whose)
  const session: NewSession = newSession({
    ...patch,
    id: randomUUID(),
    userId: user,
    claims,
    maxAge,
    idleSeconds: idle,
    absoluteSeconds: absolute,
    ...(atMost !== undefined && { atMost }),
    ...(replaces && old && { replaces: { id: old.id, secretHash: secretOf(old, replaces.rightSecret), carry: replaces.carry ? old.values : null } })
  })
  return { text: `create ${show(session)}`, run: (store) => store.create(session) }
})

const write = fc.record({
  whose,
  patch,
  idle: seconds,
  rightSecret: mostly(9),
  maxAge: fc.option(fc.option(seconds), { nil: undefined, freq: 3 }),
  version: fc.constantFrom('any', 'any', 'known', 'known', 'other'),
  slide: mostly(3),
  renew: fc.option(fc.record({ sameId: fc.boolean(), keep: fc.oneof(fc.uniqueArray(key), fc.constant<'all'>('all')), reauthenticates: fc.boolean(), dropsTokens: fc.boolean() }), { freq: 3, nil: undefined })
}).map(({ whose, patch, idle, rightSecret, maxAge, version, slide, renew }): Operation => (known) => {
  const mine = pick(known, whose)
  if (mine === undefined) return { advance: 0 }
  const change: SessionChange = {
    ...(slide ? { set: {}, unset: [] } : patch),
    idleSeconds: idle,
    ...(maxAge !== undefined && { maxAge }),
    ...(renew && !slide && { renew: { id: renew.sameId ? mine.id : randomUUID(), secretHash: hashOf(randomUUID()), keep: renew.keep, reauthenticates: renew.reauthenticates, dropsTokens: renew.dropsTokens } })
  }
  const hash = secretOf(mine, rightSecret)
  return version === 'any'
    ? { text: `save ${show({ id: mine.id, rightSecret, change })}`, run: (store) => store.save(mine.id, hash, change) }
    : { text: `compareAndSave ${show({ id: mine.id, rightSecret, version, change })}`, run: (store) => store.compareAndSave(mine.id, hash, mine.version + (version === 'known' ? 0 : 1), change) }
})

const onOne = (name: string, run: (store: Store, id: string) => Promise<unknown>): fc.Arbitrary<Operation> =>
  whose.map((n) => (known) => {
    const id = pick(known, n)?.id ?? randomUUID()
    return { text: `${name} ${id}`, run: (store) => run(store, id) }
  })

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 5, arbitrary: begin },
  { weight: 12, arbitrary: write },
  { weight: 3, arbitrary: onOne('get', (store, id) => store.get(id)) },
  { weight: 1, arbitrary: onOne('delete', (store, id) => store.delete(id)) },
  {
    weight: 1,
    arbitrary: fc.tuple(whose, mostly(5)).map(([n, rightSecret]): Operation => (known) => {
      const old = pick(known, n)
      const [id, hash] = [old?.id ?? randomUUID(), old === undefined ? hashOf(randomUUID()) : secretOf(old, rightSecret)]
      return { text: `delete ${id}, ${rightSecret ? 'right' : 'wrong'} secret`, run: (store) => store.delete(id, hash) }
    })
  },
  { weight: 1, arbitrary: onOne('block', (store, id) => store.block(id, `because of ${id}`)) },
  { weight: 1, arbitrary: onOne('unblock', (store, id) => store.unblock(id)) },
  { weight: 2, arbitrary: user.map((userId): Operation => () => ({ text: `listByUser ${userId}`, run: (store) => store.listByUser(userId) })) },
  { weight: 1, arbitrary: fc.tuple(user, claims).map(([userId, claims]): Operation => () => ({ text: `setClaims ${userId} ${show(claims)}`, run: (store) => store.setClaims(userId, claims) })) },
  {
    weight: 1,
    arbitrary: fc.tuple(user, fc.option(whose)).map(([userId, n]): Operation => (known) => {
      const except = n === null ? undefined : pick(known, n)?.id
      return { text: `deleteByUser ${userId}, except ${except}`, run: async (store) => (await store.deleteByUser(userId, except === undefined ? {} : { except })).toSorted() }
    })
  },
  { weight: 3, arbitrary: fc.constantFrom(500, 1000, 2500).map((advance): Operation => () => ({ advance })) }
)

/** An answer without what differs between two clocks: instants become ages in hundreds of seconds. */
export function told (answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(told)
  if (!isRecord(answer)) return answer
  const { readAt, createdAt, expiresAt, absoluteExpiresAt, lastSeenAt, authenticatedAt, blockedAt, secretHash, evicted = [], ...rest } = answer
  const from = (instant: Date | null): number | null => instant && Math.round((instant.getTime() - readAt.getTime()) / 100_000) + 0
  return {
    ...rest,
    evicted: evicted.toSorted(),
    secretHash: Buffer.from(secretHash).toString('hex'),
    createdAt: from(createdAt),
    expiresAt: from(expiresAt),
    absoluteExpiresAt: from(absoluteExpiresAt),
    lastSeenAt: from(lastSeenAt),
    authenticatedAt: from(authenticatedAt),
    blockedAt: from(blockedAt)
  }
}

export function isRecord (answer: unknown): answer is CreatedRecord {
  return typeof answer === 'object' && answer !== null && 'secretHash' in answer
}

const hashOf = (text: string): Uint8Array => createHash('sha256').update(text).digest()

const secretOf = ({ id, secretHash }: Known, right: boolean): Uint8Array => right ? secretHash : hashOf(id)

/** One of the last begun, the latest more often. */
const pick = (known: readonly Known[], n: number): Known | undefined => known.at(-1 - n % Math.min(known.length, 8))

const show = (given: object): string => JSON.stringify(given, (name, value: unknown) => name === 'secretHash' ? undefined : value)

function toJson (values: unknown): JsonObject {
  const json: JsonObject = JSON.parse(JSON.stringify(values))
  return json
}
