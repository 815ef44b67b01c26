import type { ClientBase } from 'pg'
import { readTables } from '../database/figures.js'
import type { TableName } from '../database/tables.js'
import { ok, warning } from './finding.js'
import type { Finding } from './finding.js'

/** Of fewer updates a share says nothing. */
const ENOUGH = 1_000
const LEAST_SHARE = 0.95
/** The tables whose rows change with every use. */
const CHANGING: readonly TableName[] = ['sessions', 'refresh_tokens']

/** Whether updates stay on their page and touch no index (heap-only tuples): else every use of a session writes all indexes. */
export async function checkHot (client: Pick<ClientBase, 'query'>): Promise<Finding[]> {
  const tables = await readTables(client, CHANGING)
  const low = tables.filter(({ updates, hotShare }) => updates >= ENOUGH && hotShare !== null && hotShare < LEAST_SHARE)
  if (low.length === 0) return [ok('hot', 'updates touch no index')]
  return low.map(({ name, updates, hotShare }) => warning('hot', `of ${updates} updates of ${name} only ${((hotShare ?? 0) * 100).toFixed(1)} % touched no index (HOT); expected are 95`,
    `drop indexes of your own on columns that every use changes; check that the fillfactor is 50 (\\d+ ${name}), that no transaction stays open for hours, and that autovacuum keeps up`))
}
