import type { Claims, JsonObject, SessionRecord, ValuesPatch } from '../../session/store.js'
import type { SaveEntry } from '../bulk-store.js'

/** One change of the values of a row whose record is known. */
export interface SeenEntry extends SaveEntry { readonly seen: RowRecord }

/** What a save tells of a row that nothing had changed since it was read. */
export interface News {
  readonly at: Date
  readonly expiresAt: Date
  readonly writtenBy: string
}

/** A record that knows which state of its row it was read from. A copy of it does not. */
export class RowRecord implements SessionRecord {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly userId: string | null
  values: JsonObject
  readonly claims: Claims
  readonly createdAt: Date
  expiresAt: Date
  readonly absoluteExpiresAt: Date
  lastSeenAt: Date
  readonly authenticatedAt: Date | null
  readonly maxAge: number | null
  readonly userAgent: string | null
  readonly clientIp: string | null
  readonly blockedAt: Date | null
  readonly blockedReason: string | null
  version: number
  readAt: Date
  readonly #writtenBy: string

  /** @param writtenBy the transaction that wrote the row last (xmin) */
  constructor (fields: SessionRecord, writtenBy: string) {
    this.id = fields.id
    this.secretHash = fields.secretHash
    this.userId = fields.userId
    this.values = fields.values
    this.claims = fields.claims
    this.createdAt = fields.createdAt
    this.expiresAt = fields.expiresAt
    this.absoluteExpiresAt = fields.absoluteExpiresAt
    this.lastSeenAt = fields.lastSeenAt
    this.authenticatedAt = fields.authenticatedAt
    this.maxAge = fields.maxAge
    this.userAgent = fields.userAgent
    this.clientIp = fields.clientIp
    this.blockedAt = fields.blockedAt
    this.blockedReason = fields.blockedReason
    this.version = fields.version
    this.readAt = fields.readAt
    this.#writtenBy = writtenBy
  }

  /** The transaction that had written the row. While the row names it still, nothing of it has changed. */
  get writtenBy (): string { return this.#writtenBy }

  /** The record of the row after one change of its values. */
  after (patch: ValuesPatch, { at, expiresAt, writtenBy }: News): RowRecord {
    const record = new RowRecord(this, writtenBy)
    record.values = patched(this.values, patch)
    record.version++
    record.expiresAt = expiresAt
    record.lastSeenAt = at
    record.readAt = at
    return record
  }
}

function patched (values: JsonObject, { set, unset }: ValuesPatch): JsonObject {
  if (unset.length === 0) return { ...values, ...set }
  return { ...Object.fromEntries(Object.entries(values).filter(([key]) => !unset.includes(key))), ...set }
}
