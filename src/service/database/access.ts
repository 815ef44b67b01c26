import type { Pool } from 'pg'
import { TABLE_NAMES, TABLES } from './tables.js'
import type { TableName } from './tables.js'

/** What the service may do with its tables, and what the database makes of them. */
export interface Access {
  /** The tables that are not there. Of those the lists below say nothing. */
  readonly absent: readonly string[]
  /** The role may use the schema. */
  readonly mayEnter: boolean
  /** The rights that the role lacks, by table. */
  readonly denied: readonly { readonly table: string, readonly rights: readonly string[] }[]
  /** The columns that an index should begin with and none does, as `table (column)`. */
  readonly unindexed: readonly string[]
  /** The triggers that are missing or disabled and by which what ends has ended, by table. */
  readonly untriggered: readonly Missing[]
  /** The same of those that tell of it, and keep what was told. */
  readonly unwitnessed: readonly Missing[]
  /** The server is a standby. */
  readonly isStandby: boolean
  /** Transactions of the role are read-only, also because of a standby. */
  readonly isReadOnly: boolean
  /** A commit is acknowledged before it is safe: `synchronous_commit` is off. */
  readonly forgets: boolean
}

/** Triggers of a table. */
export interface Missing { readonly table: string, readonly triggers: readonly string[] }

interface Needed {
  readonly rights: readonly string[]
  /** The columns by which statements look rows up. */
  readonly indexed: readonly string[]
  /** By which revocations and changes are told, cleanup finds rows, and the sessions of users who are gone end. */
  readonly guards?: readonly string[]
  /** By which the story of sessions is told, and kept. */
  readonly witnesses?: readonly string[]
}

/** What the statements need. */
const NEEDED: Readonly<Record<TableName, Needed>> = {
  sessions: {
    rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    indexed: ['id', 'user_id', 'expiry_bucket'],
    guards: [
      'sessions_expiry_bucket_insert', 'sessions_expiry_bucket_lower', 'sessions_revoke_deleted', 'sessions_revoke_renamed', 'sessions_revoke_blocked',
      'sessions_revoke_user', 'sessions_revoke_claims', 'sessions_revoke_expiry', 'sessions_revoke_truncated',
      'sessions_cache_deleted', 'sessions_cache_facts', 'sessions_cache_life', 'sessions_cache_values', 'sessions_cache_truncated'
    ],
    witnesses: [
      'sessions_event_began', 'sessions_event_renewed', 'sessions_event_blocked', 'sessions_event_unblocked', 'sessions_event_ended',
      'sessions_event_deleted', 'sessions_event_truncated'
    ]
  },
  refresh_tokens: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['session_id'], witnesses: ['refresh_tokens_event_deleted'] },
  revocations: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['session_id', 'until'] },
  cache_leases: { rights: ['SELECT'], indexed: ['node'] }, // the service declares no cache
  users: { rights: ['SELECT', 'INSERT', 'UPDATE'], indexed: ['id', 'email_key'], guards: ['users_delete', 'users_truncate'] },
  throttle: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['key'] },
  session_events: { rights: ['SELECT', 'INSERT', 'DELETE'], indexed: ['id', 'session_id', 'user_id', 'at', 'reason'], witnesses: ['session_events_append_only'] },
  stats: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['name', 'bucket'] }
}

interface Found extends Omit<Access, 'absent' | 'denied' | 'unindexed' | 'untriggered' | 'unwitnessed'> {
  readonly tables: readonly { readonly name: TableName, readonly there: boolean, readonly rights: readonly string[], readonly indexed: readonly string[], readonly triggers: readonly string[] }[]
}

/** Asks the catalogs, which every role may read. The driver's errors stay as they are. */
export async function readAccess (pool: Pool): Promise<Access> {
  const { rows: [found] } = await pool.query<Found>(`
    SELECT
      (SELECT json_agg(json_build_object('name', wanted.name, 'there', c.oid IS NOT NULL,
        'rights', ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r WHERE has_table_privilege(c.oid, r)),
        'indexed', ARRAY(SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
          WHERE i.indrelid = c.oid AND i.indisvalid),
        'triggers', ARRAY(SELECT t.tgname FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('O', 'A'))) ORDER BY wanted.position)
      FROM unnest($2::text[]) WITH ORDINALITY AS wanted (name, position)
      LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name) AS tables,
      coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS "mayEnter",
      pg_is_in_recovery() AS "isStandby",
      current_setting('transaction_read_only') = 'on' AS "isReadOnly",
      current_setting('synchronous_commit') = 'off' AS forgets
    FROM (SELECT) AS one LEFT JOIN pg_namespace AS n ON n.nspname = $1`, [TABLES.schema, TABLE_NAMES])
  if (found === undefined) throw new Error('the catalogs gave no answer')
  const { tables, ...access } = found
  const missing = (needed: (of: Needed) => readonly string[] | undefined): Missing[] => tables.filter((table) => table.there)
    .map(({ name, triggers }) => ({ table: name, triggers: (needed(NEEDED[name]) ?? []).filter((trigger) => !triggers.includes(trigger)) })).filter(({ triggers }) => triggers.length > 0)
  const [there, absent] = [tables.filter((table) => table.there), tables.filter((table) => !table.there)]
  return {
    ...access,
    absent: absent.map(({ name }) => name),
    denied: there.map(({ name, rights }) => ({ table: name, rights: NEEDED[name].rights.filter((right) => !rights.includes(right)) }))
      .filter(({ rights }) => rights.length > 0),
    unindexed: there.flatMap(({ name, indexed }) => NEEDED[name].indexed.filter((column) => !indexed.includes(column)).map((column) => `${name} (${column})`)),
    untriggered: missing(({ guards }) => guards),
    unwitnessed: missing(({ witnesses }) => witnesses)
  }
}
