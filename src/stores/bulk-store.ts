import type { PlainChange, SaveNews, SessionChange, SessionRecord, Store } from '../session/store.js'

/** Most sessions of one round trip. What is told of them, with their versions, stays below the 8,000 bytes of one NOTIFY. */
export const MOST_IN_BATCH = 128

/** A session that was read for several callers. All of them are given theirs before anybody has the first in hand. */
export interface Reader {
  /** Another record with each call: no two callers share anything that can be changed. */
  copy (): SessionRecord
  /** For a caller that changes nothing: see `Store.view`. */
  view (): SessionRecord
}

/** One session's share of a batch of saves. */
export interface SaveEntry {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly change: PlainChange
  /** How many changes of the values it stands for: what the version grows by. 0: a slide. */
  readonly changes: number
  /** The session as the one caller knows it for whom this is: where nothing has changed since, the answer may be the news alone. */
  readonly seen?: SessionRecord | undefined
}

/**
 * A store that can also load and save many sessions, up to `MOST_IN_BATCH`, in one round trip. `batched` makes a `Store` of it.
 *
 * `budgetMs` is what is left of the time that the caller was promised; absent: all of it.
 */
export interface BulkStore extends Store {
  get (id: string, budgetMs?: number): Promise<SessionRecord | null>
  view (id: string, budgetMs?: number): Promise<SessionRecord | null>
  save (id: string, secretHash: Uint8Array, change: SessionChange, budgetMs?: number): Promise<SessionRecord | null>
  /** Of these sessions the live ones. Sees what was committed before the call. */
  getMany (ids: readonly string[], budgetMs?: number): Promise<ReadonlyMap<string, Reader>>
  /**
   * Saves what it can without waiting for anybody; each id once. What it answers gives each caller a record of its own, or
   * the news. Of one that is not in the answer nothing was written, and only `save` tells why.
   */
  saveMany (entries: readonly SaveEntry[], budgetMs?: number): Promise<ReadonlyMap<string, () => SessionRecord | SaveNews>>
  /** Whether a batch failed for what one of its entries held, so that the others can succeed without it. */
  isFaultOfOne (error: unknown): boolean
}
