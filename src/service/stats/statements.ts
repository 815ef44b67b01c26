/**
 * Every statement on counts over time. Text and parameters stand side by side. Buckets are five minutes of the database's
 * clock.
 *
 * @module
 */
import type { Statement } from '../../stores/postgres/statement.js'
import { template } from '../../stores/postgres/statement.js'
import { STATS, TABLES } from '../database/tables.js'
import { BUCKET_SECONDS, LIVE } from './series.js'

/** How often something happened, some time ago. */
export interface Counted {
  readonly name: string
  /** Milliseconds. */
  readonly age: number
  readonly value: number
}

const BUCKET = `interval '${BUCKET_SECONDS} seconds'`
const bucketOf = (instant: string): string => `date_bin(${BUCKET}, ${instant}, 'epoch')`

// Rows are locked in their order, so that nodes do not deadlock.
const ADD = template('addCounts', () => `
  INSERT INTO ${STATS} AS s (name, bucket, value)
  SELECT i.name, ${bucketOf("clock_timestamp() - i.age * interval '1 millisecond'")} AS bucket, sum(i.value)
  FROM unnest($1::text[], $2::float8[], $3::bigint[]) AS i (name, age, value)
  GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (name, bucket) DO UPDATE SET value = s.value + excluded.value`)

export const addCounts = (counts: readonly Counted[]): Statement =>
  ADD(TABLES, [counts.map(({ name }) => name), counts.map(({ age }) => age), counts.map(({ value }) => value)])

/** Up to so many rows are counted; beyond, the table's own estimate must do. */
const MOST_COUNTED = 1_000_000

// `counted` runs where `wanted` has a row: nobody has counted in these five minutes, and nobody is at it.
const SAMPLE = template('sampleLiveSessions', (tables) => `
  WITH known AS MATERIALIZED (
    SELECT s.value FROM ${STATS} AS s WHERE s.name = '${LIVE}' AND s.bucket = ${bucketOf('now()')}
  ), wanted AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('${tables.lockKey}live', 0)) AS leads WHERE NOT EXISTS (SELECT FROM known)
  ), counted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM (SELECT FROM ${tables.sessions} AS t WHERE t.expires_at > now() LIMIT ${MOST_COUNTED + 1}) AS live) AS value
    FROM wanted WHERE wanted.leads
  ), judged AS MATERIALIZED (
    SELECT CASE WHEN c.value <= ${MOST_COUNTED} THEN c.value
      ELSE GREATEST(c.value, (SELECT k.reltuples::bigint FROM pg_class AS k WHERE k.oid = '${tables.sessions}'::regclass)) END AS value
    FROM counted AS c
  ), added AS (
    INSERT INTO ${STATS} (name, bucket, value) SELECT '${LIVE}', ${bucketOf('now()')}, j.value FROM judged AS j
    ON CONFLICT (name, bucket) DO NOTHING
  )
  SELECT coalesce((SELECT value FROM known), (SELECT value FROM judged)) AS value`)

/** Counts the sessions that have not expired, once in five minutes. One row: how many; null: another is counting. */
export const sampleLiveSessions = (): Statement => SAMPLE(TABLES, [])

const READ = template('readStats', () => `
  SELECT i.name, floor(extract(epoch FROM i.step) * 1000)::bigint AS at,
    CASE WHEN i.name = '${LIVE}' THEN (array_agg(i.value ORDER BY i.bucket DESC))[1] ELSE sum(i.value) END AS value
  FROM (
    SELECT s.name, s.bucket, s.value, date_bin($3::float8 * interval '1 second', s.bucket, 'epoch') AS step
    FROM ${STATS} AS s WHERE s.bucket >= to_timestamp($1::float8) AND s.bucket < to_timestamp($2::float8)
  ) AS i
  GROUP BY i.name, i.step`)

/** A row a name and step. Seconds since 1970. */
export const readStats = (from: number, to: number, step: number): Statement => READ(TABLES, [from, to, step])

const CLEAN_UP = template('cleanUpStats', (tables) => `
  WITH leader AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('${tables.lockKey}stats', 0)) AS leads
  ), removed AS (
    DELETE FROM ${STATS} AS s
    WHERE (s.name, s.bucket) IN (SELECT o.name, o.bucket FROM ${STATS} AS o
      WHERE (SELECT leads FROM leader) AND o.bucket < now() - $1::float8 * interval '1 second' ORDER BY o.bucket LIMIT $2::integer)
    RETURNING s.name
  )
  SELECT count(*) AS removed FROM removed`)

/** Removes the oldest beyond an age, a bounded number. One row: how many. */
export const cleanUpStats = (retentionSeconds: number, limit: number): Statement => CLEAN_UP(TABLES, [retentionSeconds, limit])
