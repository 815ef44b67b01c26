import type { MigrationStatus } from '../../stores/postgres/migration-status.js'
import type { Access } from './access.js'

/** How the database stands to the service. No reason, and no warning: well. Lines for people, without secrets. */
export interface Health {
  /** Why nothing that needs the database can work. */
  readonly reasons: readonly string[]
  /** What is amiss and does no harm yet. */
  readonly warnings: readonly string[]
  /** What the driver said, for the log. */
  readonly cause?: unknown
}

/** Clocks further apart than this are told; further than `SKEW_REFUSED_MS`, sessions would begin or end at odd times. */
export const SKEW_TOLD_MS = 30_000
export const SKEW_REFUSED_MS = 60_000

/** What one look at the database has found. */
export interface Facts {
  readonly migrations: MigrationStatus
  readonly access: Access
  /** How far the clock of the database is ahead of ours; negative: behind. */
  readonly skewMs: number
}

/**
 * Judges what was found.
 *
 * @param wasReady migrations that this code does not know keep a service from starting; one that runs already goes on,
 * for that is what a rolling deployment looks like to it
 */
export function judge ({ migrations, access, skewMs }: Facts, wasReady: boolean): Health {
  const unknown = migrations.newer.map((name) => `the database is newer than this service: it has the migration ${name}`)
  const isSkewed = Math.abs(skewMs) > SKEW_REFUSED_MS
  const skew = Math.abs(skewMs) > SKEW_TOLD_MS ? [`the clocks of the database and of this machine are ${Math.round(Math.abs(skewMs) / 1000)} seconds apart`] : []
  return {
    reasons: [...judgeTables(migrations, access), ...(wasReady ? [] : unknown), ...judgeAccess(access), ...(isSkewed ? skew : [])],
    warnings: [
      ...(wasReady ? unknown : []),
      ...(isSkewed ? [] : skew),
      ...(access.forgets ? ['synchronous_commit is off: a crash of the database loses sessions that were acknowledged'] : []),
      ...access.unindexed.map((column) => `no index begins with ${column}: what looks for it reads the whole table`)
    ]
  }
}

/** Why the tables do not do. The first cause alone: a table that was never made lacks all of its columns. */
function judgeTables ({ pending, missing }: MigrationStatus, { absent }: Access): string[] {
  if (pending.length > 0) return pending.map((name) => `the migration ${name} is pending: run \`npm run migrate\`, or set MIGRATE_ON_START=on`)
  if (absent.length > 0) return absent.map((table) => `the table ${table} is missing, though its migration is noted as run: restore it, or take the migrations back with \`npm run migrate -- down\` and run them again`)
  return missing.map((column) => `the column ${column} is missing`)
}

function judgeAccess ({ mayEnter, denied, isStandby, isReadOnly }: Access): string[] {
  return [
    ...(mayEnter ? [] : ['the role may not use the schema public: see docs/grants.sql']),
    ...denied.map(({ table, rights }) => `the role may not ${rights.join(', ')} on ${table}: see docs/grants.sql`),
    ...(isStandby ? ['the database is a standby, which takes no writes: DATABASE_URL must lead to the primary'] : []),
    ...(isReadOnly && !isStandby ? ['the database takes no writes from this role: default_transaction_read_only is on'] : [])
  ]
}

/** What an error of the driver means to whoever runs the service. The cause is for the log alone. */
export function unreachable (error: unknown): Health {
  const cause = error instanceof Error && error.name === 'StoreError' ? error.cause : error
  return { reasons: [reasonOf(cause)], warnings: [], cause }
}

function reasonOf (error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code.startsWith('28')) return 'the database refuses the login'
  if (code === '3D000') return 'the database does not exist'
  if (code === '42501') return 'the database refuses a right that is needed'
  if (code.startsWith('53')) return 'the database has no connection or memory left'
  return 'the database does not answer'
}
