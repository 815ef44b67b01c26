import type { Claims, JsonObject, SessionRecord } from '../../session/store.js'

/** A row as the server sent it: every column as text, whatever type parsers the application has set. */
export type Row = Readonly<Record<string, string | null>>

const LAST_DATE = 8.64e15

/**
 * What every statement that answers a session selects of its row, for `toRecord`.
 *
 * Casts in SQL make the text independent of DateStyle, TimeZone and bytea_output.
 * @param row the alias of the table
 * @param readAt the instant, in SQL, at which the row is read
 */
export const columns = (row: string, readAt: string): string => `
    ${row}.id, encode(${row}.secret_hash, 'hex') AS secret_hash, ${row}.user_id,
    ${row}."values"::text AS "values", ${row}.claims::text AS claims,
    extract(epoch FROM ${row}.created_at) AS created_at, extract(epoch FROM ${row}.expires_at) AS expires_at,
    extract(epoch FROM ${row}.absolute_expires_at) AS absolute_expires_at,
    extract(epoch FROM ${row}.last_seen_at) AS last_seen_at, extract(epoch FROM ${row}.authenticated_at) AS authenticated_at,
    ${row}.max_age, ${row}.user_agent, host(${row}.client_ip) AS client_ip,
    extract(epoch FROM ${row}.blocked_at) AS blocked_at, ${row}.blocked_reason, ${row}.version,
    extract(epoch FROM ${readAt}) AS read_at`

/**
 * The record of a row. What a hand in psql has put into `values` comes back as it stands: a manager ends a session whose
 * values are no object. Claims that are none grant nothing.
 */
export function toRecord (row: Row): SessionRecord {
  return {
    id: text(row, 'id'),
    secretHash: new Uint8Array(Buffer.from(text(row, 'secret_hash'), 'hex')),
    userId: row['user_id'] ?? null,
    values: JSON.parse(text(row, 'values')) as JsonObject, // or what somebody has made of it: see above
    claims: toClaims(text(row, 'claims')),
    createdAt: toDate(text(row, 'created_at')),
    expiresAt: toDate(text(row, 'expires_at')),
    absoluteExpiresAt: toDate(text(row, 'absolute_expires_at')),
    lastSeenAt: toDate(text(row, 'last_seen_at')),
    authenticatedAt: orNull(row['authenticated_at'], toDate),
    maxAge: orNull(row['max_age'], Number),
    userAgent: row['user_agent'] ?? null,
    clientIp: row['client_ip'] ?? null,
    blockedAt: orNull(row['blocked_at'], toDate),
    blockedReason: row['blocked_reason'] ?? null,
    version: Number(row['version']),
    readAt: toDate(text(row, 'read_at'))
  }
}

/** @throws TypeError when the statement did not select the column or it is null: an error of this module's own */
export function text (row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`the statement gave no ${column}`)
  return value
}

function orNull<T> (value: string | null | undefined, read: (text: string) => T): T | null {
  return typeof value === 'string' ? read(value) : null
}

export function toClaims (json: string): Claims {
  if (json === '{}') return {}
  const parsed: unknown = JSON.parse(json)
  return typeof parsed === 'object' && !Array.isArray(parsed) ? { ...parsed } : {}
}

/** Cut from microseconds to milliseconds as text, then rounded: as a double, 1700000000.123 is a little less. */
export function toDate (epoch: string): Date {
  const ms = Math.round(Number(epoch.slice(0, -3)) * 1000)
  return new Date(Number.isNaN(ms) ? Math.sign(Number(epoch)) * LAST_DATE : Math.max(-LAST_DATE, Math.min(LAST_DATE, ms)))
}
