import { findTroubles, SUBJECTS, unreachable } from '../database/health.js'
import type { Facts, Trouble } from '../database/health.js'
import { Probe } from '../database/probe.js'
import { POOLED } from './feed.js'
import { fault, ok, warning } from './finding.js'
import type { Finding } from './finding.js'

type Subject = Trouble['about']

const SOUND: Readonly<Record<Subject, string>> = {
  migrations: 'the tables fit this version',
  rights: 'the role may do all that the service does',
  clock: 'the clocks of the database and of this machine agree',
  durability: 'what is acknowledged is safe from a crash',
  indexes: 'every look-up has its index',
  triggers: 'every trigger is there, and enabled'
}

/** Where the trouble itself names none. */
const REMEDIES: Readonly<Record<Subject, string>> = {
  migrations: 'deploy the version that goes with the database; what is missing, restore from a backup or from migrations/',
  rights: 'see docs/grants.sql',
  clock: 'synchronise both with NTP, such as chrony',
  durability: 'ALTER ROLE … SET synchronous_commit = on, or remove the setting from postgresql.conf',
  indexes: 'create it again with CREATE INDEX CONCURRENTLY as migrations/ defines it; one that is invalid, REINDEX CONCURRENTLY',
  triggers: 'ALTER TABLE … ENABLE TRIGGER ALL, which an unfinished restore leaves undone; one that is gone, create again as migrations/ defines it. Sign users out whose sessions were ended meanwhile'
}

/** What to do where the database does not let us in, by what is told of it. */
const UNREACHABLE: ReadonlyMap<string, string> = new Map([
  ['the database refuses the login', 'check the role and the password in DATABASE_URL, and pg_hba.conf of the server'],
  ['the database does not exist', 'create it, or correct its name in DATABASE_URL'],
  ['the database refuses a right that is needed', 'see docs/grants.sql'],
  ['the database has no connection or memory left', 'raise max_connections, or put a pooler before it']
])
/** SQLSTATE protocol_violation: what PgBouncer says to settings at login. */
const REFUSED_SETTINGS = '08P01'
const SILENT = 'start it; check host and port in DATABASE_URL, and what stands between'

/** One look, as the service takes it. `usable`: the tables are there and may be read. */
export async function checkDatabase ({ connectionString, pooler }: { connectionString: string, pooler: 'transaction' | undefined }): Promise<{ readonly usable: boolean, readonly answers: boolean, readonly findings: readonly Finding[] }> {
  const probe = new Probe({ connectionString, pooler: pooler !== undefined })
  try {
    const facts = await probe.look()
    const troubles = findTroubles(facts, false)
    const usable = !troubles.some(({ about, stops }) => stops && (about === 'migrations' || about === 'rights'))
    return { usable, answers: true, findings: [ok('database', 'the database answers'), ...report(facts, troubles)] }
  } catch (error) {
    return { usable: false, answers: false, findings: [notReached(error, codeIn(error))] }
  } finally {
    await probe.close()
  }
}

function report ({ migrations }: Facts, troubles: readonly Trouble[]): Finding[] {
  const isBare = migrations.pending.length > 0 // of tables that are still to be made nothing else can be said
  return SUBJECTS.flatMap((subject): Finding[] => {
    const found = troubles.filter(({ about }) => about === subject)
    if (found.length === 0) return isBare && ['rights', 'indexes', 'triggers'].includes(subject) ? [] : [ok(subject, SOUND[subject])]
    return found.map(({ stops, what, remedy }) => (stops || subject === 'triggers' ? fault : warning)(subject, what, remedy ?? REMEDIES[subject]))
  })
}

function notReached (error: unknown, code: string): Finding {
  const hidden = `${code === '' ? '' : ` (${code})`}; what concerns it was not looked at`
  if (code === REFUSED_SETTINGS) return fault('database', `DATABASE_URL leads through a pooler, which refuses what a direct connection is told${hidden}`, POOLED)
  const [reason = ''] = unreachable(error).reasons
  return fault('database', `${reason}${hidden}`, UNREACHABLE.get(reason) ?? SILENT)
}

function codeIn (error: unknown): string {
  const [first] = error instanceof AggregateError ? error.errors : [error] // an address of each family was tried
  return first instanceof Error && 'code' in first && typeof first.code === 'string' ? first.code : ''
}
