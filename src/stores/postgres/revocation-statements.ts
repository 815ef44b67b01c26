/** The statements on revocations. Triggers write them: see `migrations`. */

import type { Tables } from './names.js'
import { type Statement, template } from './statement.js'

/** The session of a revocation that concerns all: no session has this id. */
export const ALL_SESSIONS = '00000000-0000-0000-0000-000000000000'

const inForce = (tables: Tables): string => `
  SELECT v.session_id AS session, v.kind, v.reason,
    floor(extract(epoch FROM v.at) * 1000) AS at, floor(extract(epoch FROM v.until) * 1000) AS until
  FROM ${tables.revocations} AS v
  WHERE v.until > now()`

const LIST = template('listRevocations', inForce)

/** All that is in force, in any order. */
export const listRevocations = (tables: Tables): Statement => LIST(tables, [])

const OF_SESSIONS = template('revocationsOf', (tables) => `${inForce(tables)} AND v.session_id = ANY ($1::uuid[])`)

/** What is in force of these sessions, in any order. */
export const revocationsOf = (tables: Tables, sessions: readonly string[]): Statement => OF_SESSIONS(tables, [sessions])

const BEAT = template('heartbeat', () => `
  SELECT pg_notify($1::text, ''), floor(extract(epoch FROM clock_timestamp()) * 1000) AS at, pg_backend_pid() AS pid`)

/** Announces nothing on a channel of the caller's own. One row: the instant, in milliseconds, and whose process this is. */
export const heartbeat = (tables: Tables, channel: string): Statement => BEAT(tables, [channel])

const CLEAN_UP = template('cleanUpRevocations', (tables) => `
  WITH leader AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('${tables.lockKey}cleanup', 0)) AS leads
  ), due AS MATERIALIZED (
    SELECT v.ctid AS place
    FROM ${tables.revocations} AS v
    WHERE (SELECT leads FROM leader) AND v.until <= now()
    ORDER BY v.until
    LIMIT $1::integer
    FOR UPDATE SKIP LOCKED
  ), removed AS (
    DELETE FROM ${tables.revocations} AS v WHERE v.ctid = ANY (ARRAY(SELECT d.place FROM due AS d))
  )
  SELECT (SELECT leads FROM leader) AS leads, (SELECT count(*) FROM due) AS met`)

/** Removes what is in force no more. One row: whether this was the one cleaner, and how many it met. */
export const cleanUpRevocations = (tables: Tables, limit: number): Statement => CLEAN_UP(tables, [limit])
