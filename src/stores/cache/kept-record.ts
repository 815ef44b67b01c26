import type { Claims, JsonObject, SessionRecord } from '../../session/store.js'
import { copyJson, isShallow } from '../json.js'

/** What is nested deeper is not kept: it is copied level by level. */
const MOST_LEVELS = 100

/** A record kept in memory. What it is made of nobody else has, and it gives copies alone. */
export class KeptRecord {
  /** Characters of JSON: what makes one record larger than another. */
  readonly size: number
  /** It was read since somebody has set this to `false`. */
  isUsed = false
  /** What cannot be changed of it may be handed out as it is. */
  readonly #facts: Pick<SessionRecord, 'id' | 'userId' | 'maxAge' | 'userAgent' | 'clientIp' | 'blockedReason' | 'version'>
  readonly #hash: Uint8Array
  readonly #values: JsonObject
  readonly #claims: Claims
  readonly #createdAt: number
  readonly #expiresAt: number
  readonly #absoluteExpiresAt: number
  readonly #lastSeenAt: number
  readonly #authenticatedAt: number | null
  /** On the store's clock, what `askedAt` is on the steady one, or later. */
  readonly #readAt: number
  readonly #askedAt: number

  /**
   * `null` where the record cannot be kept.
   *
   * @param askedAt of the steady clock, before the store was asked: what the answer took counts as time that has passed
   */
  static of (record: SessionRecord, askedAt: number): KeptRecord | null {
    return isShallow(record.values, MOST_LEVELS) && isShallow(record.claims as JsonObject, MOST_LEVELS) ? new KeptRecord(record, askedAt) : null
  }

  private constructor (record: SessionRecord, askedAt: number) {
    const { id, userId, maxAge, userAgent, clientIp, blockedReason, version } = record
    this.#facts = { id, userId, maxAge, userAgent, clientIp, blockedReason, version }
    this.#hash = new Uint8Array(record.secretHash) // not of Buffer's pool, all of which it would keep
    this.#values = copyOf(record.values)
    this.#claims = copyOf(record.claims)
    this.#createdAt = record.createdAt.getTime()
    this.#expiresAt = record.expiresAt.getTime()
    this.#absoluteExpiresAt = record.absoluteExpiresAt.getTime()
    this.#lastSeenAt = record.lastSeenAt.getTime()
    this.#authenticatedAt = record.authenticatedAt?.getTime() ?? null
    this.#readAt = record.readAt.getTime()
    this.#askedAt = askedAt
    this.size = JSON.stringify(record.values).length + JSON.stringify(record.claims).length
  }

  get userId (): string | null { return this.#facts.userId }

  get version (): number { return this.#facts.version }

  /** Whether it is of an earlier state than the other; of the same version the one seen later knows of more. */
  isBefore (other: KeptRecord): boolean {
    return this.version < other.version || (this.version === other.version && this.#lastSeenAt < other.#lastSeenAt)
  }

  /** The record as it would be read now, which shares nothing with others; `null`: it has expired. */
  read (now: number): SessionRecord | null {
    const readAt = this.#readAt + now - this.#askedAt
    if (this.#expiresAt <= readAt) return null
    this.isUsed = true
    const { id, userId, maxAge, userAgent, clientIp, blockedReason, version } = this.#facts
    return {
      id,
      secretHash: Buffer.from(this.#hash),
      userId,
      values: copyOf(this.#values),
      claims: copyOf(this.#claims),
      createdAt: new Date(this.#createdAt),
      expiresAt: new Date(this.#expiresAt),
      absoluteExpiresAt: new Date(this.#absoluteExpiresAt),
      lastSeenAt: new Date(this.#lastSeenAt),
      authenticatedAt: this.#authenticatedAt === null ? null : new Date(this.#authenticatedAt),
      maxAge,
      userAgent,
      clientIp,
      blockedAt: null,
      blockedReason,
      version,
      readAt: new Date(readAt)
    }
  }
}

/** What a copy of JSON is, the original was. */
const copyOf = <T extends JsonObject | Claims>(value: T): T => copyJson(value as JsonObject) as T
