import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { ClientBase, Pool } from 'pg'
import { quoted, type Tables } from './names.js'

/** Migrations that belong together: a folder of SQL files, and the table that remembers which have run. */
export interface MigrationSet {
  readonly folder: URL
  readonly bookkeeping: string
  /** The columns that the statements use, by table. Tables are called as where the sessions table is `sessions`. */
  readonly columns: Readonly<Record<string, readonly string[]>>
}

export const SESSION_MIGRATIONS = {
  folder: new URL('../../../migrations/', import.meta.url),
  bookkeeping: 'silverback_migrations',
  columns: {
    sessions: [
      'id', 'secret_hash', 'user_id', 'values', 'claims', 'created_at', 'expires_at', 'absolute_expires_at', 'last_seen_at',
      'authenticated_at', 'max_age', 'user_agent', 'client_ip', 'blocked_at', 'blocked_reason', 'version', 'expiry_bucket'
    ],
    refresh_tokens: [
      'session_id', 'user_id', 'generation', 'token_hash', 'previous_hash', 'created_at', 'updated_at', 'delivered_at',
      'confirmed_at', 'replays', 'revoked_at', 'revoked_reason'
    ],
    revocations: ['session_id', 'kind', 'reason', 'at', 'until'],
    cache_leases: ['node', 'until']
  }
} as const satisfies MigrationSet

/** How the database stands to this code. Three empty lists: they fit. */
export interface MigrationStatus {
  /** Migrations of this code that have not been run. */
  readonly pending: readonly string[]
  /** Migrations that were run and that this code does not know: the database is of a newer version. */
  readonly newer: readonly string[]
  /** Columns that the statements need and that are not there, as `table.column`. */
  readonly missing: readonly string[]
}

type Queryable = Pick<ClientBase, 'query'> | Pick<Pool, 'query'>

/**
 * Compares the database with this code. Needs no right to change anything. The driver's errors stay as they are.
 *
 * A role that may not even read which migrations have run is answered by the columns alone.
 */
export async function migrationStatus (database: Queryable, names: Tables, set: MigrationSet): Promise<MigrationStatus> {
  const known = await knownMigrations(set)
  const ran = await ranMigrations(database, names, set) // first: a migration in between must not look like lost columns
  const missing = await missingColumns(database, names, set)
  if (ran === 'unreadable') return { pending: missing.length === 0 ? [] : known, newer: [], missing }
  return {
    pending: known.filter((name) => !ran.includes(name)),
    newer: ran.filter((name) => !known.includes(name)),
    missing
  }
}

/** What is locked while the tables of these names are being migrated. An application's own migrations lock something else. */
export function lockId (names: Tables, set: MigrationSet): string {
  return createHash('sha256').update(`${names.lockKey}${set.bookkeeping}`).digest().readBigInt64BE().toString()
}

/** The names of a set, in the order in which they run. */
export async function knownMigrations ({ folder }: MigrationSet): Promise<string[]> {
  return (await readdir(folder)).filter((file) => file.endsWith('.sql')).map((file) => file.slice(0, -'.sql'.length)).sort()
}

async function ranMigrations (database: Queryable, names: Tables, set: MigrationSet): Promise<string[] | 'unreadable'> {
  const table = names.renamed(set.bookkeeping)
  const { rows: [found] } = await database.query<{ readable: string }>(`
    SELECT CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') THEN 'yes' ELSE 'no' END AS readable
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2`, [names.schema, table])
  if (found === undefined) return []
  if (found.readable === 'no') return 'unreadable'
  const { rows } = await database.query<{ name: string }>(`SELECT name::text FROM ${quoted(names.schema)}.${quoted(table)} ORDER BY id`)
  return rows.map(({ name }) => name)
}

/** The columns of a set, each with its table. */
export function neededColumns (names: Tables, set: MigrationSet): { readonly table: string, readonly column: string }[] {
  return Object.entries(set.columns).flatMap(([table, columns]) => columns.map((column) => ({ table: names.renamed(table), column })))
}

async function missingColumns (database: Queryable, names: Tables, set: MigrationSet): Promise<string[]> {
  const needed = neededColumns(names, set)
  const { rows } = await database.query<{ table: string, column: string }>(`
    SELECT c.relname::text AS table, a.attname::text AS column
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = ANY ($2::name[]) AND a.attnum > 0 AND NOT a.attisdropped`,
  [names.schema, [...new Set(needed.map(({ table }) => table))]])
  const there = new Set(rows.map(({ table, column }) => `${table}.${column}`))
  return needed.map(({ table, column }) => `${table}.${column}`).filter((column) => !there.has(column))
}
