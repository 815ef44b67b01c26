import type { Claims, Json, JsonObject, SessionRecord } from '../../session/store.js'
import { RowRecord } from './row-record.js'

/** A row as the server sent it: every column as text, whatever type parsers the application has set. */
export type Row = Readonly<Record<string, string | null>>

const LAST_DATE = 8.64e15

/** An instant in JSON: seconds since 1970, or text where it is infinite. */
export type Seconds = number | string
/** What `recordOf` selects. */
export type RecordRow = readonly [
  id: string, secretHash: string, userId: string | null, values: JsonObject, claims: Json,
  createdAt: Seconds, expiresAt: Seconds, absoluteExpiresAt: Seconds, lastSeenAt: Seconds, authenticatedAt: Seconds | null,
  maxAge: number | null, userAgent: string | null, clientIp: string | null, blockedAt: Seconds | null, blockedReason: string | null,
  version: number, readAt: Seconds
]
/** What `loadedOf` selects, and `loadedUnless` of a row that is not known. */
export type LoadedRow = readonly [...RecordRow, writer: string]
/** What `saveOf` selects of a row that was as it was seen. */
export type NewsRow = readonly [id: string, savedAt: Seconds, expiresAt: Seconds]

/**
 * What every statement that answers a session selects of its row, for `toRecord`: one JSON array, for reading one long
 * text costs a third of reading seventeen short ones.
 *
 * Independent of DateStyle, TimeZone, bytea_output and extra_float_digits.
 * @param row the alias of the table
 * @param readAt the instant, in SQL, at which the row is read
 */
export const recordOf = (row: string, readAt: string): string => `json_build_array(${columnsOf(row, readAt)}) AS record`

/**
 * As `recordOf`, of a row that is read now, with the transaction that wrote it. Not for what an INSERT returns, which on a
 * partitioned table has no system columns.
 */
export const loadedOf = (row: string): string => `${loaded(row)} AS record`

/** As `loadedOf`, of a row that is not known; of one that is, what `same` says, in JSON. */
export const loadedUnless = (row: string, isKnown: string, same: string): string => `CASE WHEN ${isKnown} THEN ${same} ELSE ${loaded(row)} END AS record`

const loaded = (row: string): string => `json_build_array(${columnsOf(row, 'now()')}, ${row}.xmin)`

const columnsOf = (row: string, readAt: string): string => `
      ${row}.id, encode(${row}.secret_hash, 'hex'), ${row}.user_id, ${row}."values", ${row}.claims,
      ${epoch(`${row}.created_at`)}, ${epoch(`${row}.expires_at`)}, ${epoch(`${row}.absolute_expires_at`)},
      ${epoch(`${row}.last_seen_at`)}, ${epoch(`${row}.authenticated_at`)},
      ${row}.max_age, ${row}.user_agent, host(${row}.client_ip), ${epoch(`${row}.blocked_at`)}, ${row}.blocked_reason,
      ${row}.version, ${epoch(readAt)}`

/** What a statement on many sessions selects of the records `of` those, all in one text. */
export const recordsOf = (of: string): string => `json_agg(${of}.record) AS records`

/**
 * What a save of many selects of a row that it has written: its record, or, where the row was as its caller has `seen` it,
 * only the news. To tell what is known was a fifth of what such a statement cost.
 */
export const saveOf = (row: string, isSeen: string): string => `CASE WHEN ${isSeen}
      THEN json_build_array(${row}.id, ${epoch(`${row}.last_seen_at`)}, ${epoch(`${row}.expires_at`)})
      ELSE json_build_array(${columnsOf(row, `${row}.last_seen_at`)}) END AS record`

/** Seconds since 1970, in SQL. */
export const epoch = (instant: string): string => `extract(epoch FROM ${instant})` // not date_part, whose double has the digits of extra_float_digits

/**
 * The record of a row. What a hand in psql has put into `values` comes back as it stands: a manager ends a session whose
 * values are no object. Claims that are none grant nothing.
 */
export function toRecord (row: Row): SessionRecord {
  return recordFrom(JSON.parse(text(row, 'record')) as RecordRow | LoadedRow)
}

/** As `toRecord`, of what was parsed. */
export function recordFrom (row: RecordRow | LoadedRow): RowRecord {
  const [
    id, secretHash, userId, values, claims, createdAt, expiresAt, absoluteExpiresAt, lastSeenAt, authenticatedAt,
    maxAge, userAgent, clientIp, blockedAt, blockedReason, version, readAt
  ] = row
  return new RowRecord({
    id,
    secretHash: Buffer.from(secretHash, 'hex'), // of Buffer's pool: an array with memory of its own costs ten times as much
    userId,
    values,
    claims: toClaims(claims),
    createdAt: toDate(createdAt),
    expiresAt: toDate(expiresAt),
    absoluteExpiresAt: toDate(absoluteExpiresAt),
    lastSeenAt: toDate(lastSeenAt),
    authenticatedAt: authenticatedAt === null ? null : toDate(authenticatedAt),
    maxAge,
    userAgent,
    clientIp,
    blockedAt: blockedAt === null ? null : toDate(blockedAt),
    blockedReason,
    version,
    readAt: toDate(readAt)
  }, row.length === 18 ? row[17] : null)
}

/** @throws TypeError when the statement did not select the column or it is null: an error of this module's own */
export function text (row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`the statement gave no ${column}`)
  return value
}

/** Of what is no object, none. */
export function toClaims (parsed: unknown): Claims {
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed as Claims : {}
}

/** Cut from microseconds to milliseconds: as a double, 1700000000.123 seconds are a little less, so microseconds are rounded first. */
export function toDate (seconds: Seconds): Date {
  const ms = Math.floor(Math.round(Number(seconds) * 1e6) / 1e3)
  return new Date(Math.max(-LAST_DATE, Math.min(LAST_DATE, ms)))
}
