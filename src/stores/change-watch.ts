import type { Store } from '../session/store.js'

/** Is told what has changed. Its methods return at once and do not throw. */
export interface ChangeSink {
  /** What began to change after this will be told. */
  whole (): void
  /**
   * A session has changed or ended.
   *
   * @param id `null`: any may have
   * @param version that of the change; a record with this version, or a later one, knows of it. `null`: no version tells
   */
  changed (id: string | null, version: number | null): void
  /** What changes is not told, until `whole`. @param cause why */
  broken (cause: unknown): void
}

/** A watch under way. */
export interface ChangeWatch {
  /** Of `performance.now()`: what was committed before has been told. `-Infinity` while the watch is not whole. */
  readonly wholeAt: number
  /** Ends the watch. Its sink is told nothing more. */
  close (): Promise<void>
}

export interface WatchOptions {
  /** How often `wholeAt` moves on, at least, while all is well. Milliseconds. */
  readonly everyMs: number
}

/** A store that tells of changes, whoever makes them. */
export interface WatchedStore extends Store {
  /** Begins to tell of every change but a later `expiresAt` and `lastSeenAt`. Whoever changes sessions may have to work for it. */
  watchChanges (sink: ChangeSink, options: WatchOptions): ChangeWatch
}
