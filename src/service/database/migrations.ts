import type { ClientBase, Pool } from 'pg'
import { runMigrations } from '../../stores/postgres/migrate.js'
import { knownMigrations, migrationStatus, neededColumns, SESSION_MIGRATIONS } from '../../stores/postgres/migration-status.js'
import type { MigrationSet, MigrationStatus } from '../../stores/postgres/migration-status.js'
import { SERVICE_MIGRATIONS, TABLES } from './tables.js'

/** All that the service needs, in the order in which it runs; taken back in the other. */
const SETS: readonly MigrationSet[] = [SESSION_MIGRATIONS, SERVICE_MIGRATIONS]

/** Runs what is pending of both sets; resolves to the names. Each set is one transaction. The driver's errors stay as they are. */
export async function migrateUp (connectionString: string): Promise<string[]> {
  const ran: string[] = []
  for (const set of SETS) ran.push(...await runMigrations({ connectionString, direction: 'up' }, set))
  return ran
}

/** Takes back the last migration: of the service's own, then of the library's. Resolves to its name, or to none. */
export async function migrateDown (connectionString: string): Promise<string[]> {
  for (const set of SETS.toReversed()) {
    const ran = await runMigrations({ connectionString, direction: 'down' }, set)
    if (ran.length > 0) return ran
  }
  return []
}

/** How the database stands to both sets. */
export async function readStatus (database: Pick<ClientBase, 'query'> | Pick<Pool, 'query'>): Promise<MigrationStatus> {
  const found: MigrationStatus[] = []
  for (const set of SETS) found.push(await migrationStatus(database, TABLES, set))
  return joined(found)
}

/** How a database stands that is still to be made: nothing has run, and nothing is there. */
export async function statusOfNone (): Promise<MigrationStatus> {
  const found: MigrationStatus[] = []
  for (const set of SETS) found.push({ pending: await knownMigrations(set), newer: [], missing: neededColumns(TABLES, set).map(({ table, column }) => `${table}.${column}`) })
  return joined(found)
}

function joined (found: readonly MigrationStatus[]): MigrationStatus {
  return {
    pending: found.flatMap(({ pending }) => pending),
    newer: found.flatMap(({ newer }) => newer),
    missing: found.flatMap(({ missing }) => missing)
  }
}
