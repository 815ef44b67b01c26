import type { Pool } from 'pg'
import type { Tables } from '../../stores/postgres/names.js'

/** What the service may do with the sessions table, and what the database makes of it. */
export interface Access {
  /** The table is there. Where it is not, `denied` and `unindexed` say nothing. */
  readonly isThere: boolean
  /** The role may use the schema. */
  readonly mayEnter: boolean
  /** The rights on the table that the role lacks. */
  readonly denied: readonly string[]
  /** The columns that an index should begin with and none does. */
  readonly unindexed: readonly string[]
  /** The server is a standby. */
  readonly isStandby: boolean
  /** Transactions of the role are read-only, also because of a standby. */
  readonly isReadOnly: boolean
  /** A commit is acknowledged before it is safe: `synchronous_commit` is off. */
  readonly forgets: boolean
}

const NEEDED = ['SELECT', 'INSERT', 'UPDATE', 'DELETE']
const INDEXED = ['id', 'user_id', 'expiry_bucket']

/** Asks the catalogs, which every role may read. The driver's errors stay as they are. */
export async function readAccess (pool: Pool, names: Tables): Promise<Access> {
  const { rows: [access] } = await pool.query<Access>(`
    SELECT c.oid IS NOT NULL AS "isThere",
      coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS "mayEnter",
      ARRAY(SELECT wanted FROM unnest($3::text[]) AS wanted WHERE c.oid IS NOT NULL AND NOT has_table_privilege(c.oid, wanted)) AS denied,
      ARRAY(SELECT wanted FROM unnest($4::text[]) AS wanted WHERE c.oid IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid AND i.indisvalid AND a.attname = wanted)) AS unindexed,
      pg_is_in_recovery() AS "isStandby",
      current_setting('transaction_read_only') = 'on' AS "isReadOnly",
      current_setting('synchronous_commit') = 'off' AS forgets
    FROM (SELECT) AS one
    LEFT JOIN pg_namespace AS n ON n.nspname = $1
    LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = $2`, [names.schema, names.renamed('sessions'), NEEDED, INDEXED])
  if (access === undefined) throw new Error('the catalogs gave no answer')
  return access
}
