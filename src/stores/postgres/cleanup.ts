import { wholeNumber } from '../../core/options.js'
import type { CleanupOptions } from '../../session/store.js'
import { type CleanupCursor, cleanUp, setTimeouts } from './bulk-statements.js'
import type { Tables } from './names.js'
import type { Database } from './query.js'

const BATCH_SIZE = 1_000
const BUDGET_MS = 30_000
/** A batch may take longer than a request waits, on a slow disk: nobody waits for it. */
const BATCH_MS = 20_000
/** The server gives up first, so that the connection survives. */
const STATEMENT_MS = 15_000
const BEFORE_ALL: CleanupCursor = { bucket: -2_147_483_648, id: '00000000-0000-0000-0000-000000000000' }

interface Batch {
  readonly removed: number
  /** Where the next batch goes on; `null`: there is none. */
  readonly cursor: CleanupCursor | null
}

/**
 * Removes what has expired, batch by batch, each in a transaction of its own; resolves to how many.
 *
 * Of many who do this at once, one works at a time, and the others stop. Each run meets each due row once.
 */
export async function cleanup (database: Database, tables: Tables, options: CleanupOptions = {}): Promise<number> {
  const { signal, onBatch } = options
  const batchSize = wholeNumber('batchSize', options.batchSize ?? BATCH_SIZE, { min: 1, max: 1_000_000 })
  const budgetMs = wholeNumber('budgetMs', options.budgetMs ?? BUDGET_MS, { min: 0, max: Number.MAX_SAFE_INTEGER })
  const endsAt = performance.now() + budgetMs
  let removed = 0
  let cursor: CleanupCursor | null = BEFORE_ALL
  while (cursor !== null && signal?.aborted !== true && performance.now() < endsAt) {
    const batch: Batch | null = await cleanBatch(database, tables, { cursor, batchSize, signal })
    if (batch === null) break
    removed += batch.removed
    cursor = batch.cursor
    onBatch?.(removed)
  }
  return removed
}

/** `null`: the signal came first, and the batch was undone. */
async function cleanBatch (database: Database, tables: Tables, { cursor, batchSize, signal }: {
  cursor: CleanupCursor
  batchSize: number
  signal: AbortSignal | undefined
}): Promise<Batch | null> {
  const rows = await database.transaction('cleanup', async (send) => {
    await send(setTimeouts(tables, STATEMENT_MS))
    return await send(cleanUp(tables, cursor, batchSize))
  }, { budgetMs: BATCH_MS, signal }).catch((error: unknown) => {
    if (signal?.aborted === true) return null
    throw error
  })
  if (rows === null) return null
  const [row] = rows
  const id = row?.['id']
  const goesOn = row?.['leads'] === 't' && Number(row['met']) >= batchSize && typeof id === 'string'
  return { removed: Number(row?.['removed'] ?? 0), cursor: goesOn ? { bucket: Number(row['bucket']), id } : null }
}
