/** Sessions, changes and comparisons that the laws share. */

import assert from 'node:assert/strict'
import { hashSecret, newId, newSecret } from '../core/credential.js'
import { recordAfter } from '../session/save-news.js'
import type { CreatedRecord, JsonObject, NewSession, PlainChange, SessionChange, SessionRecord, Store } from '../session/store.js'
import type { StoreHarness } from './harness.js'

export const MINUTE = 60
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** How far instants may be off where a clock runs while a law does. */
const RUNNING_CLOCK_MS = 60_000

/** A hash of a secret that nobody has seen. */
export const freshHash = (): Uint8Array => hashSecret(newSecret())

/** A visitor's session: idle for an hour, a day in all. */
export function newSession (given: Partial<NewSession> = {}): NewSession {
  return {
    id: newId(),
    secretHash: freshHash(),
    userId: null,
    claims: {},
    set: {},
    unset: [],
    maxAge: null,
    idleSeconds: HOUR,
    absoluteSeconds: DAY,
    userAgent: null,
    clientIp: null,
    ...given
  }
}

/** Stores a session and resolves to its record. */
export function begin (store: Store, given: Partial<NewSession> = {}): Promise<CreatedRecord> {
  return store.create(newSession(given))
}

/** A change that sets keys. */
export function put (set: JsonObject, given: Partial<SessionChange> = {}): SessionChange {
  return { set, unset: [], idleSeconds: HOUR, ...given }
}

/** A change that moves the time columns and nothing else. */
export function slide (idleSeconds = HOUR): SessionChange {
  return { set: {}, unset: [], idleSeconds }
}

/** A regeneration with a new id and secret. */
export function renewal (keep: readonly string[] | 'all' = [], id = newId()): NonNullable<SessionChange['renew']> {
  return { id, secretHash: freshHash(), keep }
}

/** A save on a record that was seen, where the store has a method for it: the news are taken as a session takes them. */
export async function saveSeen (store: Store, seen: SessionRecord, { set, unset, idleSeconds }: SessionChange): Promise<SessionRecord | null> {
  const change: PlainChange = { set, unset, idleSeconds }
  const answer = store.saveSeen === undefined ? await store.save(seen.id, seen.secretHash, change) : await store.saveSeen(seen, change)
  return recordAfter(answer, seen, change)
}

/** The other process. */
export const other = ({ store, second }: StoreHarness): Store => second ?? store

/** The record of an answer that must be one. */
export function found (answer: SessionRecord | 'conflict' | null, what = 'the session'): SessionRecord {
  assert.ok(answer !== null, `${what} should be live, but it is gone`)
  assert.ok(answer !== 'conflict', `${what} should be at this version, but the store says "conflict"`)
  return answer
}

/** The live session with this id. */
export async function load (store: Store, id: string): Promise<SessionRecord> {
  return found(await store.get(id))
}

/** Everything a record tells but for when it was read, ready for `deepEqual`. */
export function facts ({ readAt, secretHash, evicted: _evicted, replaced: _replaced, ...rest }: CreatedRecord): object {
  return { ...rest, secretHash: Buffer.from(secretHash).toString('hex') }
}

/** @throws AssertionError unless the record has these values, in any order of the keys */
export function hasValues (record: SessionRecord | 'conflict' | null, values: JsonObject): void {
  assert.deepEqual(found(record).values, values)
}

/** @throws AssertionError unless the instants are this far apart, a running clock's slack included */
export function apart (harness: StoreHarness, from: Date, to: Date, seconds: number, what: string): void {
  const off = Math.abs(to.getTime() - from.getTime() - seconds * 1000)
  const slack = harness.clockStandsStill === true ? 0 : RUNNING_CLOCK_MS
  assert.ok(off <= slack, `${what} should be ${seconds} s; it is ${(to.getTime() - from.getTime()) / 1000} s`)
}

/** @throws AssertionError unless the session is dead for its reader and its user's list, whatever way it ended */
export async function isGone (store: Store, { id, userId }: SessionRecord): Promise<void> {
  assert.equal(await store.get(id), null, 'get should answer null')
  if (userId === null) return
  assert.ok(!await isListed(store, userId, id), 'listByUser should not show it')
}

/** Whether the list of a user shows this session. */
export async function isListed (store: Store, userId: string, id: string): Promise<boolean> {
  return (await store.listByUser(userId)).some((record) => record.id === id)
}

/** `count` numbers from 0. */
export const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)
