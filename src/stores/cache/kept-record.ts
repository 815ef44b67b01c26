import type { JsonObject, SessionRecord } from '../../session/store.js'
import { deepFreeze } from '../../session/values.js'
import { copyRecord } from '../copy-record.js'
import { isShallow } from '../json.js'

/** A record kept in memory: a copy of what was loaded. */
export class KeptRecord {
  /** Characters of JSON: what makes one record larger than another. */
  readonly size: number
  /** It was read since somebody has set this to `false`. */
  isUsed = false
  /** `readAt` is, on the store's clock, what `askedAt` is on the steady one, or later. */
  readonly #record: SessionRecord
  readonly #askedAt: number

  /**
   * `null` where the record cannot be kept.
   *
   * @param askedAt of the steady clock, before the store was asked: what the answer took counts as time that has passed
   */
  static of (record: SessionRecord, askedAt: number): KeptRecord | null {
    return isShallow(record.values) && isShallow(record.claims as JsonObject) ? new KeptRecord(record, askedAt) : null
  }

  private constructor (record: SessionRecord, askedAt: number) {
    this.#record = copyRecord(record)
    deepFreeze(this.#record.values)
    deepFreeze(this.#record.claims as JsonObject)
    this.#askedAt = askedAt
    this.size = JSON.stringify(record.values).length + JSON.stringify(record.claims).length
  }

  get userId (): string | null { return this.#record.userId }

  get version (): number { return this.#record.version }

  /** Whether it is of an earlier state than the other; of the same version the one seen later knows of more. */
  isBefore (other: KeptRecord): boolean {
    return this.version < other.version || (this.version === other.version && this.#record.lastSeenAt < other.#record.lastSeenAt)
  }

  /** The record as it would be read now, for who changes nothing of it: all but `readAt` is shared; `null`: it has expired. */
  view (now: number): SessionRecord | null {
    const readAt = this.#record.readAt.getTime() + now - this.#askedAt
    if (this.#record.expiresAt.getTime() <= readAt) return null
    this.isUsed = true
    return { ...this.#record, readAt: new Date(readAt) }
  }

  /** The same, of which nothing is shared. */
  copy (now: number): SessionRecord | null {
    const record = this.view(now)
    return record && copyRecord(record)
  }
}
