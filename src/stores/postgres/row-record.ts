import type { Claims, JsonObject, SessionRecord } from '../../session/store.js'

/** A record that may know by which transaction its row was written. A copy of it does not. */
export class RowRecord implements SessionRecord {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly userId: string | null
  readonly values: JsonObject
  readonly claims: Claims
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly absoluteExpiresAt: Date
  readonly lastSeenAt: Date
  readonly authenticatedAt: Date | null
  readonly maxAge: number | null
  readonly userAgent: string | null
  readonly clientIp: string | null
  readonly blockedAt: Date | null
  readonly blockedReason: string | null
  readonly version: number
  readonly readAt: Date
  readonly #writer: string | null

  /** @param writer the row's xmin when it was read; `null`: not known */
  constructor (fields: SessionRecord, writer: string | null, { readAt, secretHash }: Pick<SessionRecord, 'readAt' | 'secretHash'> = fields) {
    this.id = fields.id
    this.secretHash = secretHash
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
    this.readAt = readAt
    this.#writer = writer
  }

  /**
   * The transaction that had written the row of a record when it was read: while the row names it, no other has changed
   * anything of it. `null`: the record does not tell.
   */
  static writerOf (record: SessionRecord): string | null {
    return #writer in record ? record.#writer : null
  }

  /** The same, read at this instant. */
  readAgain (at: Date): RowRecord {
    return new RowRecord(this, this.#writer, { readAt: at, secretHash: this.secretHash })
  }

  /** The same, with memory of its own for the hash: a part of Buffer's pool would keep all of it. */
  detached (): RowRecord {
    return new RowRecord(this, this.#writer, { readAt: this.readAt, secretHash: new Uint8Array(this.secretHash) })
  }
}
