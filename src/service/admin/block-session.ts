import { isUuid } from '../../core/uuid.js'
import type { Database } from '../../stores/postgres/query.js'
import { block } from '../../stores/postgres/statements.js'
import { TABLES } from '../database/tables.js'

/** `already`: nothing has changed, and the reason of the first block stands. */
export type BlockOutcome = 'blocked' | 'already'

/**
 * Blocks a session as its store does, and says besides whether it was this that blocked it: of several blocks at the same
 * time one did. Resolves to `null`: there is no such session. @throws StoreError
 */
export async function blockSession (database: Database, id: string, reason: string): Promise<BlockOutcome | null> {
  const [row] = isUuid(id) ? await database.write(block(TABLES, id, reason)) : []
  if (row === undefined) return null
  return row['first'] === 't' ? 'blocked' : 'already'
}
