import type { MigrationStatus } from '../../stores/postgres/migration-status.js'
import type { Access, Missing } from './access.js'

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
const SKEW_TOLD_MS = 30_000
const SKEW_REFUSED_MS = 60_000

/** What one look at the database has found. */
export interface Facts {
  readonly migrations: MigrationStatus
  readonly access: Access
  /** How far the clock of the database is ahead of ours; negative: behind. */
  readonly skewMs: number
}

/** What can be wrong with a database that answers. */
export const SUBJECTS = ['migrations', 'rights', 'clock', 'durability', 'indexes', 'triggers'] as const

/** One thing that is wrong, for people, without secrets. */
export interface Trouble {
  readonly about: typeof SUBJECTS[number]
  /** Whether nothing that needs the database can work. */
  readonly stops: boolean
  readonly what: string
  /** What to do, where it is not the same for everything of that kind. */
  readonly remedy?: string
}

/**
 * Judges what was found.
 *
 * @param wasReady migrations that this code does not know keep a service from starting; one that runs already goes on,
 * for that is what a rolling deployment looks like to it
 */
export function judge (facts: Facts, wasReady: boolean): Health {
  const troubles = findTroubles(facts, wasReady)
  const line = ({ what, remedy }: Trouble): string => remedy === undefined ? what : `${what}: ${remedy}`
  return {
    reasons: troubles.filter(({ stops }) => stops).map(line),
    warnings: troubles.filter(({ stops }) => !stops).map(line)
  }
}

/** All that is wrong. `wasReady` as for `judge`. */
export function findTroubles ({ migrations, access, skewMs }: Facts, wasReady: boolean): Trouble[] {
  const newer = migrations.newer.map((name): Trouble =>
    ({ about: 'migrations', stops: !wasReady, what: `the database is newer than this service: it has the migration ${name}` }))
  return [...judgeTables(migrations, access), ...newer, ...judgeAccess(access), ...judgeClock(skewMs), ...judgeDurability(access), ...judgeIndexes(access), ...judgeTriggers(migrations, access)]
}

/** Why the tables do not do. The first cause alone: a table that was never made lacks all of its columns. */
function judgeTables ({ pending, missing }: MigrationStatus, { absent }: Access): Trouble[] {
  const trouble = { about: 'migrations', stops: true } as const
  if (pending.length > 0) return pending.map((name) => ({ ...trouble, what: `the migration ${name} is pending`, remedy: 'run `npm run migrate`, or set MIGRATE_ON_START=on' }))
  if (absent.length > 0) {
    return absent.map((table) => ({ ...trouble, what: `the table ${table} is missing, though its migration is noted as run`, remedy: 'restore it, or take the migrations back with `npm run migrate -- down` and run them again' }))
  }
  return missing.map((column) => ({ ...trouble, what: `the column ${column} is missing` }))
}

function judgeAccess ({ mayEnter, denied, isStandby, isReadOnly }: Access): Trouble[] {
  const trouble = { about: 'rights', stops: true } as const
  return [
    ...(mayEnter ? [] : [{ ...trouble, what: 'the role may not use the schema public', remedy: 'see docs/grants.sql' }]),
    ...denied.map(({ table, rights }) => ({ ...trouble, what: `the role may not ${rights.join(', ')} on ${table}`, remedy: 'see docs/grants.sql' })),
    ...(isStandby ? [{ ...trouble, what: 'the database is a standby, which takes no writes', remedy: 'DATABASE_URL must lead to the primary' }] : []),
    ...(isReadOnly && !isStandby ? [{ ...trouble, what: 'the database takes no writes from this role: default_transaction_read_only is on' }] : [])
  ]
}

function judgeClock (skewMs: number): Trouble[] {
  const apartMs = Math.abs(skewMs)
  if (apartMs <= SKEW_TOLD_MS) return []
  return [{ about: 'clock', stops: apartMs > SKEW_REFUSED_MS, what: `the clocks of the database and of this machine are ${Math.round(apartMs / 1000)} seconds apart` }]
}

function judgeDurability ({ forgets }: Access): Trouble[] {
  return forgets ? [{ about: 'durability', stops: false, what: 'synchronous_commit is off: a crash of the database loses sessions that were acknowledged' }] : []
}

function judgeIndexes ({ unindexed }: Access): Trouble[] {
  return unindexed.map((column) => ({ about: 'indexes', stops: false, what: `no index begins with ${column}: what looks for it reads the whole table` }))
}

/** Of tables that are still to be made nothing is said: their triggers come with them. */
function judgeTriggers ({ pending }: MigrationStatus, { untriggered, unwitnessed }: Access): Trouble[] {
  if (pending.length > 0) return []
  const toTrouble = (stops: boolean, harm: string) => ({ table, triggers }: Missing): Trouble => {
    const which = triggers.length === 1 ? `the trigger ${triggers.join()} of ${table} is` : `the triggers ${triggers.join(', ')} of ${table} are`
    return { about: 'triggers', stops, what: `${which} missing or disabled: ${harm}` }
  }
  return [
    ...untriggered.map(toTrouble(true, 'what was ended or revoked may go on')),
    ...unwitnessed.map(toTrouble(false, 'stories of sessions have gaps, or can be changed'))
  ]
}

/** The same, and one thing more that is amiss; `null`: nothing is. */
export function warned (health: Health, warning: string | null): Health {
  return warning === null ? health : { ...health, warnings: [...health.warnings, warning] }
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
