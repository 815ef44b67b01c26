import type { Store } from '../session/store.js'

/** A store under test, empty and of its own for each law, and what moves the world around it. */
export interface StoreHarness {
  readonly store: Store
  /** Another handle on the same storage, standing for another process. Absent: `store` plays both. */
  readonly second?: Store
  /**
   * Moves the store's time forward, decimals allowed: turns its injected clock, or moves all instants of all stored
   * sessions back.
   */
  advance (seconds: number): Promise<void>
  /** Releases everything, `store` and `second` included. They may have been closed already. */
  close (): Promise<void>
  /** From here on the storage cannot be reached. Absent: the law of failing storage is passed over. */
  breakStorage? (): Promise<void>
  /** Time moves by `advance` alone, so that the last millisecond can be looked at. Default: it also runs. */
  readonly clockStandsStill?: boolean
  /** The storage removes what has expired without `cleanup`, so that `cleanup` need not find it. Default: it does not. */
  readonly expiresItself?: boolean
}

/** One promise: resolves when the store keeps it, rejects with an `AssertionError` when not. */
export type Law = (harness: StoreHarness) => Promise<void>

/** Promises by title. A title is a sentence that can be false. */
export type Laws = Readonly<Record<string, Law>>
