/** Reads the plans that PostgreSQL makes for prepared statements. */

import type pg from 'pg'
import type { Statement } from '../../src/stores/postgres/statement.js'

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

/** Prepares a statement under its name and runs it once, so that its plan is made now. */
export async function prepare (client: pg.PoolClient, { name, text, values }: Statement): Promise<void> {
  await client.query(`PREPARE "${name}" AS ${text}`)
  await client.query(`EXECUTE "${name}"${literals(values)}`)
}

/** How the statement prepared under this name looks at the table: the types of its nodes on it. */
export async function scans (client: pg.PoolClient, { name, values }: Statement, table: string): Promise<string[]> {
  const { rows: [row] } = await client.query<{ 'QUERY PLAN': Array<{ Plan: PlanNode }> }>(`EXPLAIN (FORMAT JSON) EXECUTE "${name}"${literals(values)}`)
  const plan = row?.['QUERY PLAN'][0]?.Plan
  if (plan === undefined) throw new Error('EXPLAIN gave no plan')
  return nodes(plan).filter((node) => node['Relation Name'] === table && node['Node Type'] !== 'ModifyTable').map((node) => node['Node Type'])
}

function nodes (plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodes)]
}

function literals (values: readonly unknown[]): string {
  return values.length === 0 ? '' : `(${values.map((value) => value === null ? 'NULL' : `'${text(value).replaceAll("'", "''")}'`).join(', ')})`
}

function text (value: unknown): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `{${value.map((item) => `"${text(item).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
  return String(value)
}
