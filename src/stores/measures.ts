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

/** A message on the channel `silverback:batch`: sessions are loaded or saved together, or a lone one is. */
export interface BatchMessage {
  readonly kind: 'load' | 'save'
  readonly size: number
}

const QUERIES = channel('silverback:query')
const BATCHES = channel('silverback:batch')

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
