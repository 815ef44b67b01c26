/** A session as the memory store holds it: JSON text and numbers, so that nothing is shared with a caller. */

import { SessionTooLargeError } from '../../core/errors.js'
import { isEmptyPatch, patched } from '../../session/patch.js'
import type { Claims, JsonObject, NewSession, SessionChange, SessionRecord } from '../../session/store.js'
import type { Lineage } from '../../tokens/rotation.js'

/** Most bytes of a session's values, as JSON in UTF-8. */
const MAX_VALUES_BYTES = 256 * 1024

/** The refresh tokens of a session, as its row holds them. */
export interface SessionLineage extends Lineage {
  readonly createdAt: number
  readonly revokedReason: string | null
}

/** Never changed in place: a change makes a new row. Instants are milliseconds since 1970. */
export interface SessionRow {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly userId: string | null
  readonly valuesText: string
  readonly claimsText: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly absoluteExpiresAt: number
  readonly lastSeenAt: number
  readonly authenticatedAt: number | null
  readonly maxAge: number | null
  readonly userAgent: string | null
  readonly clientIp: string | null
  readonly blockedAt: number | null
  readonly blockedReason: string | null
  readonly version: number
  /** `null`: no refresh token names the session. */
  readonly lineage: SessionLineage | null
}

/**
 * The row of a session that begins now.
 *
 * @param carried the values that it starts from; `null`: none
 * @throws SessionTooLargeError when the values with the patch are over 256 KiB
 */
export function firstRow (session: NewSession, carried: JsonObject | null, now: number): SessionRow {
  const absoluteExpiresAt = now + session.absoluteSeconds * 1000
  return {
    id: session.id,
    secretHash: Uint8Array.from(session.secretHash),
    userId: session.userId,
    valuesText: textOf(patched(carried ?? {}, session)),
    claimsText: JSON.stringify(session.claims),
    createdAt: now,
    expiresAt: Math.min(now + session.idleSeconds * 1000, absoluteExpiresAt),
    absoluteExpiresAt,
    lastSeenAt: now,
    authenticatedAt: session.userId === null ? null : now,
    maxAge: session.maxAge,
    userAgent: session.userAgent,
    clientIp: session.clientIp,
    blockedAt: null,
    blockedReason: null,
    version: 1,
    lineage: null
  }
}

/**
 * The row after a change. A slide touches the times alone; `renew` and a patch that is not empty add one to the version.
 *
 * @throws SessionTooLargeError when the merged values are over 256 KiB
 */
export function changedRow (row: SessionRow, change: SessionChange, now: number): SessionRow {
  const { renew } = change
  const lineage = renew?.dropsTokens === true ? null : row.lineage
  const { maxAge = row.maxAge } = lineage === null ? change : row
  const seen = { ...row, maxAge, lastSeenAt: now, expiresAt: slidTo(now, maxAge ?? change.idleSeconds, row) }
  if (renew === undefined && isEmptyPatch(change)) return seen
  const stored = parsed(row.valuesText)
  if (renew === undefined) return { ...seen, valuesText: textOf(patched(stored, change)), version: row.version + 1 }
  return {
    ...seen,
    id: lineage === null ? renew.id : row.id,
    secretHash: Uint8Array.from(renew.secretHash),
    valuesText: textOf(patched(renew.keep === 'all' ? stored : only(stored, renew.keep), change)),
    authenticatedAt: renew.reauthenticates === true ? now : row.authenticatedAt,
    version: row.version + 1,
    lineage
  }
}

/** The idle end of a row that is used now. */
export function slidTo (now: number, idleSeconds: number, { absoluteExpiresAt }: SessionRow): number {
  return Math.min(now + idleSeconds * 1000, absoluteExpiresAt)
}

/** What a caller gets: copies throughout. */
export function toRecord ({ valuesText, claimsText, lineage: _lineage, ...row }: SessionRow, now: number): SessionRecord {
  return {
    ...row,
    secretHash: Uint8Array.from(row.secretHash),
    values: parsed(valuesText),
    claims: parsed(claimsText),
    createdAt: new Date(row.createdAt),
    expiresAt: new Date(row.expiresAt),
    absoluteExpiresAt: new Date(row.absoluteExpiresAt),
    lastSeenAt: new Date(row.lastSeenAt),
    authenticatedAt: row.authenticatedAt === null ? null : new Date(row.authenticatedAt),
    blockedAt: row.blockedAt === null ? null : new Date(row.blockedAt),
    readAt: new Date(now)
  }
}

/** The values of a row. */
export function valuesOf (row: SessionRow): JsonObject {
  return parsed(row.valuesText)
}

/** The claims of a row. */
export function claimsOf (row: SessionRow): Claims {
  return parsed(row.claimsText)
}

function parsed (text: string): JsonObject {
  const object: JsonObject = JSON.parse(text)
  return object
}

function only (values: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)))
}

function textOf (values: JsonObject): string {
  const text = JSON.stringify(values)
  if (Buffer.byteLength(text) > MAX_VALUES_BYTES) throw new SessionTooLargeError()
  return text
}
