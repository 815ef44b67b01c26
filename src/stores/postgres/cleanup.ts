import { setTimeout as pause } from 'node:timers/promises'
import { wholeNumber } from '../../core/options.js'
import type { CleanupOptions } from '../../session/store.js'
import { type CleanupCursor, cleanUp, setTimeouts } from './bulk-statements.js'
import type { Tables } from './names.js'
import type { Database } from './query.js'
import { cleanUpRevocations } from './revocation-statements.js'
import type { Row } from './rows.js'
import type { Statement } from './statement.js'

const BATCH_SIZE = 1_000
const BUDGET_MS = 30_000
/** A batch may take longer than a request waits, on a slow disk: nobody waits for it. */
const BATCH_MS = 20_000
/** The server gives up first, so that the connection survives. */
const STATEMENT_MS = 15_000
const BEFORE_ALL: CleanupCursor = { bucket: -2_147_483_648, id: '00000000-0000-0000-0000-000000000000' }

interface Run {
  readonly batchSize: number
  readonly signal: AbortSignal | undefined
  /** `false`: the time for another batch is over, or the caller wants no more. */
  mayGoOn (): boolean
  /** Counts what a batch has taken. */
  worked (ms: number): void
  /** Before another batch. */
  rest (): Promise<void>
}

interface Batch {
  readonly removed: number
  /** Where the next batch goes on; `null`: there is none. */
  readonly cursor: CleanupCursor | null
}

/**
 * Removes sessions that have expired, batch by batch, each in a transaction of its own; resolves to how many. Revocations
 * that are in force no more go after them.
 *
 * Of many who do this at once, one works at a time, and the others stop. Each run meets each due row once.
 */
export async function cleanup (database: Database, tables: Tables, options: CleanupOptions = {}): Promise<number> {
  const { signal, onBatch } = options
  const rest = wholeNumber('rest', options.rest ?? 0, { min: 0, max: 100 })
  const batchSize = wholeNumber('batchSize', options.batchSize ?? BATCH_SIZE, { min: 1, max: 1_000_000 })
  const budgetMs = wholeNumber('budgetMs', options.budgetMs ?? BUDGET_MS, { min: 0, max: Number.MAX_SAFE_INTEGER })
  let workedMs = 0
  let lastMs = 0
  const run: Run = {
    batchSize,
    signal,
    mayGoOn: () => signal?.aborted !== true && workedMs < budgetMs,
    worked (ms) { workedMs += lastMs = ms },
    async rest () {
      if (rest > 0) await pause(rest * lastMs, undefined, { signal, ref: false }).catch(() => { /* the run ends */ })
    }
  }
  let removed = 0
  let cursor: CleanupCursor | null = BEFORE_ALL
  while (cursor !== null && run.mayGoOn()) {
    const batch: Batch | null = await cleanBatch(database, tables, cursor, run)
    if (batch === null) return removed
    removed += batch.removed
    cursor = batch.cursor
    onBatch?.(removed)
    if (cursor !== null) await run.rest()
  }
  await cleanRevocations(database, tables, run)
  return removed
}

/** `null`: another cleans, or the signal came first and the batch was undone. */
async function cleanBatch (database: Database, tables: Tables, cursor: CleanupCursor, run: Run): Promise<Batch | null> {
  const row = await inBatch(database, tables, cleanUp(tables, cursor, run.batchSize), run)
  if (row?.['leads'] !== 't') return null
  const id = row['id']
  const goesOn = Number(row['met']) >= run.batchSize && typeof id === 'string'
  return { removed: Number(row['removed']), cursor: goesOn ? { bucket: Number(row['bucket']), id } : null }
}

async function cleanRevocations (database: Database, tables: Tables, run: Run): Promise<void> {
  let goesOn = true
  while (goesOn && run.mayGoOn()) {
    const row = await inBatch(database, tables, cleanUpRevocations(tables, run.batchSize), run)
    goesOn = row?.['leads'] === 't' && Number(row['met']) >= run.batchSize
    if (goesOn) await run.rest()
  }
}

/** The row that a batch answers with; `null`: the signal came first, and the batch was undone. */
async function inBatch (database: Database, tables: Tables, statement: Statement, { signal, worked }: Run): Promise<Row | null> {
  const startedAt = performance.now()
  const rows = await database.transaction('cleanup', async (send) => {
    await send(setTimeouts(tables, STATEMENT_MS))
    return await send(statement)
  }, { budgetMs: BATCH_MS, signal }).catch((error: unknown) => {
    if (signal?.aborted === true) return null
    throw error
  })
  worked(performance.now() - startedAt)
  return rows?.[0] ?? null
}
