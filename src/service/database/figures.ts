import type { ClientBase } from 'pg'
import { TABLES } from './tables.js'
import type { TableName } from './tables.js'

type Queryable = Pick<ClientBase, 'query'>

/** What has expired and is still there. */
export interface CleanupLag {
  readonly rows: number
  /** How long ago the oldest of them expired; `null`: there is none. */
  readonly oldestSeconds: number | null
}

/** The hour of now, as `expiry_bucket` counts: what has expired has no later one. */
const THIS_HOUR = 'floor(extract(epoch FROM now()) / 3600)'

/** Reads what cleanup has still to do. The driver's errors stay as they are. */
export async function readCleanupLag (database: Queryable): Promise<CleanupLag> {
  const { rows: [lag] } = await database.query<{ rows: string, oldest: string | null }>(`
    SELECT count(*)::text AS rows, extract(epoch FROM now() - min(t.expires_at))::text AS oldest
    FROM ${TABLES.sessions} AS t WHERE t.expiry_bucket <= ${THIS_HOUR} AND t.expires_at <= now()`)
  return { rows: Number(lag?.rows ?? 0), oldestSeconds: lag?.oldest == null ? null : Number(lag.oldest) }
}

/** A table as the statistics of PostgreSQL know it. */
export interface TableFigures {
  readonly name: string
  /** Estimated. */
  readonly rows: number
  /** With its indexes and what is stored beside it. */
  readonly bytes: number
  readonly updates: number
  /** Of the updates, those that touched no index, 0–1; `null`: there was none. */
  readonly hotShare: number | null
}

/** The tables of the library and the service that are there, by name. */
export async function readTables (database: Queryable, names: readonly TableName[]): Promise<TableFigures[]> {
  const { rows } = await database.query<{ name: string, rows: string, bytes: string, updates: string, hot: string }>(`
    SELECT c.relname::text AS name, GREATEST(s.n_live_tup, 0)::text AS rows, pg_total_relation_size(c.oid)::text AS bytes,
      s.n_tup_upd::text AS updates, s.n_tup_hot_upd::text AS hot
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_stat_user_tables AS s ON s.relid = c.oid
    WHERE n.nspname = $1 AND c.relname = ANY ($2::name[])
    ORDER BY array_position($2::name[], c.relname)`, [TABLES.schema, names])
  return rows.map(({ name, rows, bytes, updates, hot }) => ({
    name,
    rows: Number(rows),
    bytes: Number(bytes),
    updates: Number(updates),
    hotShare: Number(updates) === 0 ? null : Number(hot) / Number(updates)
  }))
}

/** Sessions that have not expired. */
export interface LiveSessions {
  readonly all: number
  /** Those of somebody who is signed in. */
  readonly ofUsers: number
  readonly blocked: number
}

/** Counts every row. */
export async function countSessions (database: Queryable): Promise<LiveSessions> {
  const { rows: [found] } = await database.query<{ all: string, users: string, blocked: string }>(`
    SELECT count(*)::text AS all, count(t.user_id)::text AS users, count(t.blocked_at)::text AS blocked
    FROM ${TABLES.sessions} AS t WHERE t.expires_at > now()`)
  return { all: Number(found?.all ?? 0), ofUsers: Number(found?.users ?? 0), blocked: Number(found?.blocked ?? 0) }
}
