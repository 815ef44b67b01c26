import type { Pool } from 'pg'
import type { Tables } from '../../stores/postgres/names.js'

/** What the service may do with its tables, and what the database makes of them. */
export interface Access {
  /** The tables that are not there. Of those `denied` and `unindexed` say nothing. */
  readonly absent: readonly string[]
  /** The role may use the schema. */
  readonly mayEnter: boolean
  /** The rights that the role lacks, by table. */
  readonly denied: readonly { readonly table: string, readonly rights: readonly string[] }[]
  /** The columns that an index should begin with and none does, as `table (column)`. */
  readonly unindexed: readonly string[]
  /** The server is a standby. */
  readonly isStandby: boolean
  /** Transactions of the role are read-only, also because of a standby. */
  readonly isReadOnly: boolean
  /** A commit is acknowledged before it is safe: `synchronous_commit` is off. */
  readonly forgets: boolean
}

/** What the statements need, and the columns by which they look rows up. */
const NEEDED: Readonly<Record<string, { readonly rights: readonly string[], readonly indexed: readonly string[] }>> = {
  sessions: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['id', 'user_id', 'expiry_bucket'] },
  refresh_tokens: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['session_id'] },
  revocations: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['session_id'] },
  users: { rights: ['SELECT', 'INSERT', 'UPDATE'], indexed: ['id', 'email_key'] },
  throttle: { rights: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'], indexed: ['key'] }
}

interface Found extends Omit<Access, 'absent' | 'denied' | 'unindexed'> {
  readonly tables: readonly { readonly name: string, readonly there: boolean, readonly rights: readonly string[], readonly indexed: readonly string[] }[]
}

/** Asks the catalogs, which every role may read. The driver's errors stay as they are. */
export async function readAccess (pool: Pool, names: Tables): Promise<Access> {
  const { rows: [found] } = await pool.query<Found>(`
    SELECT
      (SELECT json_agg(json_build_object('name', wanted.name, 'there', c.oid IS NOT NULL,
        'rights', ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r WHERE has_table_privilege(c.oid, r)),
        'indexed', ARRAY(SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
          WHERE i.indrelid = c.oid AND i.indisvalid)) ORDER BY wanted.position)
      FROM unnest($2::text[]) WITH ORDINALITY AS wanted (name, position)
      LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name) AS tables,
      coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS "mayEnter",
      pg_is_in_recovery() AS "isStandby",
      current_setting('transaction_read_only') = 'on' AS "isReadOnly",
      current_setting('synchronous_commit') = 'off' AS forgets
    FROM (SELECT) AS one LEFT JOIN pg_namespace AS n ON n.nspname = $1`, [names.schema, Object.keys(NEEDED).map((name) => names.renamed(name))])
  if (found === undefined) throw new Error('the catalogs gave no answer')
  const { tables, ...access } = found
  const [there, absent] = [tables.filter((table) => table.there), tables.filter((table) => !table.there)]
  return {
    ...access,
    absent: absent.map(({ name }) => name),
    denied: there.map(({ name, rights }) => ({ table: name, rights: (NEEDED[name]?.rights ?? []).filter((right) => !rights.includes(right)) }))
      .filter(({ rights }) => rights.length > 0),
    unindexed: there.flatMap(({ name, indexed }) => (NEEDED[name]?.indexed ?? []).filter((column) => !indexed.includes(column)).map((column) => `${name} (${column})`))
  }
}
