/**
 * The statements by which caches are declared, and by which they hear of changes.
 *
 * @module
 */

import type { Tables } from './names.js'
import { type Statement, template } from './statement.js'

/** In SQL: whether anybody keeps sessions in memory. Costs next to nothing where nobody does. */
export const isCached = (tables: Tables): string => `EXISTS (SELECT FROM ${tables.cacheLeases} AS l WHERE l.until > now())`

/** In SQL: announces a text to all caches with the commit. */
export const tell = (tables: Tables, text: string): string => `pg_notify('${tables.cacheChannel}', ${text})`

/** By which everybody announces what no save does. */
const TRIGGERS = ['sessions_cache_deleted', 'sessions_cache_facts', 'sessions_cache_life', 'sessions_cache_values', 'sessions_cache_truncated']

/** In SQL: one of these triggers that is not there, or disabled. */
const missingOf = (tables: Tables, names: string): string => `(
    SELECT w.name
    FROM unnest(${names}::text[]) AS w (name)
    WHERE NOT EXISTS (
      SELECT FROM pg_trigger AS t WHERE t.tgrelid = '${tables.sessions}'::regclass AND t.tgname = w.name AND t.tgenabled IN ('O', 'A'))
    ORDER BY w.name LIMIT 1) AS missing`

const triggersOf = (tables: Tables): string[] => TRIGGERS.map((name) => tables.renamed(name))

const MISSING = template('missingCacheTrigger', (tables) => `SELECT ${missingOf(tables, '$1')}`)

/** One row: a trigger of the migration that is not there, or disabled, and without which a cache would not hear of all; or `null`. */
export const missingCacheTrigger = (tables: Tables): Statement => MISSING(tables, [triggersOf(tables)])

const DECLARE = template('declareCache', (tables) => `
  WITH forgotten AS (
    DELETE FROM ${tables.cacheLeases} AS l
    WHERE l.node IN (
      SELECT o.node FROM ${tables.cacheLeases} AS o
      WHERE o.until < now() - interval '1 minute' AND o.node <> $1::text
      FOR UPDATE SKIP LOCKED)
  )
  INSERT INTO ${tables.cacheLeases} AS l (node, until) VALUES ($1::text, clock_timestamp() + $2::float8 * interval '1 second')
  ON CONFLICT (node) DO UPDATE SET until = EXCLUDED.until
  RETURNING pg_current_xact_id()::xid AS transaction, pg_backend_pid() AS pid`)

/** From its commit on, statements that begin announce changes. Removes leases of others who are long gone. One row: the transaction, and whose process this is. */
export const declareCache = (tables: Tables, node: string, seconds: number): Statement => DECLARE(tables, [node, seconds])

const RENEW = template('renewCache', (tables) => `
  UPDATE ${tables.cacheLeases} AS l SET until = clock_timestamp() + $2::float8 * interval '1 second'
  WHERE l.node = $1::text AND l.until > clock_timestamp()
  RETURNING l.node`)

/** Renews a lease that is still in force. One row, or none: somebody may have changed a session and told nobody. */
export const renewCache = (tables: Tables, node: string, seconds: number): Statement => RENEW(tables, [node, seconds])

const END = template('endCache', (tables) => `DELETE FROM ${tables.cacheLeases} AS l WHERE l.node = $1::text`)

/** Takes a lease back. */
export const endCache = (tables: Tables, node: string): Statement => END(tables, [node])

// Every client's snapshot is in pg_stat_activity, for any role to see; workers without a user change no session.
const IS_SEEN = template('isCacheSeen', () => `
  SELECT NOT EXISTS (
    SELECT FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()
      AND age(a.backend_xmin) >= age($1::xid)) AS done`)

/** Whether every statement under way began after this transaction was committed, and so sees what it wrote. */
export const isCacheSeen = (tables: Tables, transaction: string): Statement => IS_SEEN(tables, [transaction])

// A snapshot's xmax would not do: it is one more than the last that has ended, and others may be under way beyond it.
const NEXT = template('nextTransaction', () => 'SELECT pg_current_xact_id() AS next')

/** A transaction that is younger than all that have written by now. */
export const nextTransaction = (tables: Tables): Statement => NEXT(tables, [])

const ARE_OVER = template('areOver', () => 'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS done')

/** Whether all transactions before this one have ended. */
export const areOver = (tables: Tables, next: string): Statement => ARE_OVER(tables, [next])

const BEAT = template('cacheHeartbeat', (tables) => `
  SELECT pg_notify($1::text, $2::text), extract(epoch FROM clock_timestamp()) * 1000 AS at,
    EXISTS (SELECT FROM ${tables.cacheLeases} AS l WHERE l.node = $3::text AND l.until > clock_timestamp()) AS declared,
    ${missingOf(tables, '$4')}`)

/** Announces a text on a channel of the caller's own. One row: whether the lease is in force, the server's time in milliseconds, and the same as `missingCacheTrigger`. */
export const cacheHeartbeat = (tables: Tables, channel: string, text: string, node: string): Statement => BEAT(tables, [channel, text, node, triggersOf(tables)])
