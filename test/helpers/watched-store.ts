/** A store in memory whose changes are told by hand, on a clock that is moved by hand. */

import type { ChangeSink, WatchedStore } from '../../src/stores/change-watch.js'
import { CachedStore } from '../../src/stores/cached.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { type RecordingStore, recordingStore } from './pg-bulk-store.js'

export interface WatchedMemory {
  readonly inner: RecordingStore & WatchedStore
  /** The storage itself, as another process has it. */
  readonly elsewhere: MemoryStore
  readonly store: CachedStore
  /** What the feed would tell. */
  readonly sink: ChangeSink
  /** Time goes on; the feed shows that it lives, unless it is silent. */
  advance (ms: number, options?: { readonly silent: boolean }): void
  /** The feed has become whole. */
  becomeWhole (): void
  /** The feed has broken. */
  breakFeed (): void
  readonly closed: string[]
}

/** The bound is one second. */
export function watchedMemory (maxEntries = 100): WatchedMemory {
  let now = 5_000
  let wholeAt = -Infinity
  const sinks: ChangeSink[] = []
  const closed: string[] = []
  const elsewhere = new MemoryStore({ clock: () => new Date(1_700_000_000_000 + now) })
  const inner = {
    ...recordingStore(elsewhere),
    watchChanges: (sink: ChangeSink) => {
      sinks.push(sink)
      return { get wholeAt () { return wholeAt }, close: async () => { closed.push('watch') } }
    },
    close: async () => { closed.push('store') }
  }
  const store = new CachedStore(inner, { maxStalenessMs: 1_000, maxEntries, clock: () => now })
  const [sink] = sinks
  if (sink === undefined) throw new Error('nobody watches')
  return {
    inner,
    elsewhere,
    store,
    sink,
    advance: (ms, { silent } = { silent: false }) => {
      now += ms
      if (!silent) wholeAt = now
    },
    becomeWhole: () => {
      wholeAt = now
      sink.whole()
    },
    breakFeed: () => {
      wholeAt = -Infinity
      sink.broken(new Error('of the test'))
    },
    closed
  }
}
