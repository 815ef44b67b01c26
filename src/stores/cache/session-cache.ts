import type { SessionRecord } from '../../session/store.js'
import type { Reader } from '../bulk-store.js'
import { KeptRecord } from './kept-record.js'

/** Of the JSON of all records together. */
const MOST_CHARACTERS = 64 * 1024 * 1024

/** The calls of one session that are under way. */
interface Calls {
  count: number
  /** How often the session changed meanwhile in a way that no version tells. */
  changes: number
  /** The latest version that was told meanwhile. */
  version: number
}

/** A call that may bring a record, from before it is sent. */
export interface Visit {
  /** Keeps the record, unless it may be older than what was told since. */
  keep (record: SessionRecord): void
  /** The call is over, however. */
  end (): void
}

/**
 * Records by id. Where there is no room for another, the oldest go that were not used since room was made last; a use
 * costs no more than a mark. Knows nothing of who tells it.
 *
 * What is told while a call is under way counts for what the call brings: it may have been read before.
 */
export class SessionCache {
  readonly #maxEntries: number
  readonly #kept = new Map<string, KeptRecord>()
  readonly #underWay = new Map<string, Calls>()
  #characters = 0

  constructor (maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size (): number { return this.#kept.size }

  /** A record as of now: a `copy`, of the caller's own, or one to `view`, shared with others; `null`: none is kept that is alive. */
  find (id: string, now: number, use: keyof Reader): SessionRecord | null {
    const kept = this.#kept.get(id)
    if (kept === undefined) return null
    const record = kept[use](now)
    if (record === null) this.#remove(id, kept)
    return record
  }

  visit (id: string, askedAt: number): Visit {
    const calls = this.#underWay.get(id) ?? { count: 0, changes: 0, version: 0 }
    this.#underWay.set(id, calls)
    calls.count++
    const { changes } = calls
    return {
      keep: (record) => {
        if (record.id !== id || calls.changes !== changes || record.version < calls.version) return
        const kept = KeptRecord.of(record, askedAt)
        if (kept !== null) this.#keep(kept, id)
      },
      end: () => { if (--calls.count === 0) this.#underWay.delete(id) }
    }
  }

  /** The session is another now, or gone. @param version of the change; what is kept of it, or of a later one, stays */
  drop (id: string, version: number | null = null): void {
    const calls = this.#underWay.get(id)
    if (calls !== undefined) {
      if (version === null) calls.changes++
      else calls.version = Math.max(calls.version, version)
    }
    const kept = this.#kept.get(id)
    if (kept !== undefined && (version === null || kept.version < version)) this.#remove(id, kept)
  }

  /** Any session of the user may be another now. */
  dropUser (userId: string): void {
    for (const [id, kept] of this.#kept) if (kept.userId === userId) this.#remove(id, kept)
    this.#spoil()
  }

  clear (): void {
    this.#kept.clear()
    this.#characters = 0
    this.#spoil()
  }

  /** Nothing is kept of the calls under way: whose sessions they will bring is not known. */
  #spoil (): void {
    for (const calls of this.#underWay.values()) calls.changes++
  }

  #keep (record: KeptRecord, id: string): void {
    const before = this.#kept.get(id)
    if (before !== undefined && record.isBefore(before)) return
    if (before !== undefined) this.#remove(id, before)
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size < this.#maxEntries && this.#characters + record.size <= MOST_CHARACTERS) break
      this.#remove(oldest, kept)
      if (kept.isUsed) this.#add(oldest, kept) // and is come to again, when it has lost its mark
    }
    this.#add(id, record)
  }

  #add (id: string, record: KeptRecord): void {
    record.isUsed = false
    this.#kept.set(id, record)
    this.#characters += record.size
  }

  #remove (id: string, kept: KeptRecord): void {
    this.#kept.delete(id)
    this.#characters -= kept.size
  }
}
