/**
 * What the stores tell of their work on `node:diagnostics_channel`, for measurements. Nothing of a session: no id, no value.
 *
 * @module
 */
import { channel } from 'node:diagnostics_channel'

/** A message on the channel `silverback:query`: a statement, or a transaction, has ended. */
export interface QueryMessage {
  /** What was done; one of some fixed words. */
  readonly operation: string
  /** From the call to the answer, waiting for a connection and retries included. */
  readonly ms: number
  readonly failed: boolean
}

/** A message on the channel `silverback:batch`: sessions are loaded or saved together, or refresh tokens judged, or a lone one is. */
export interface BatchMessage {
  readonly kind: 'load' | 'save' | 'rotate'
  readonly size: number
}

/** A message on the channel `silverback:cache`: a session was found in memory or not, or the feed of changes has become whole, or broken. */
export interface CacheMessage {
  readonly kind: 'hit' | 'miss' | 'whole' | 'broken'
  /** Why it is broken. */
  readonly cause?: unknown
}

const QUERIES = channel('silverback:query')
const BATCHES = channel('silverback:batch')
const CACHES = channel('silverback:cache')

/** Costs next to nothing without subscribers. @param startedAt of `performance.now()` */
export function tellQuery (operation: string, startedAt: number, failed: boolean): void {
  if (!QUERIES.hasSubscribers) return
  const message: QueryMessage = { operation, ms: performance.now() - startedAt, failed }
  QUERIES.publish(message)
}

/** Costs next to nothing without subscribers. */
export function tellBatch (kind: BatchMessage['kind'], size: number): void {
  if (!BATCHES.hasSubscribers) return
  const message: BatchMessage = { kind, size }
  BATCHES.publish(message)
}

/** Costs next to nothing without subscribers. */
export function tellCache (kind: CacheMessage['kind'], cause?: unknown): void {
  if (!CACHES.hasSubscribers) return
  const message: CacheMessage = { kind, ...(cause !== undefined && { cause }) }
  CACHES.publish(message)
}
