/**
 * Every statement on counted attempts. Whatever touches several keys locks them in their order, so that none deadlocks.
 *
 * @module
 */
import type { Statement } from '../../stores/postgres/statement.js'
import { template } from '../../stores/postgres/statement.js'
import { TABLES, THROTTLE } from '../database/tables.js'
import type { Limit } from './limits.js'

/** A key with its limit. */
export interface Counted {
  readonly key: Buffer
  readonly limit: Limit
}

const LONGEST_PAUSE_SECONDS = 900

/** When the next attempt may come after one that makes the count `count`. The exponent is bounded: 2¹⁰ seconds are more than the longest. */
const nextAt = (count: string, { most, doubles, end }: { most: string, doubles: string, end: string }): string => `
    CASE WHEN ${count} < ${most} THEN clock_timestamp()
      WHEN ${doubles} THEN clock_timestamp() + LEAST(power(2, LEAST(${count} - ${most}, 10)), ${LONGEST_PAUSE_SECONDS}) * interval '1 second'
      ELSE ${end} END`

const COUNT = 'CASE WHEN t.expires_at <= clock_timestamp() THEN 1 ELSE t.count + 1 END'
const END = 'CASE WHEN excluded.doubles OR t.expires_at <= clock_timestamp() THEN excluded.expires_at ELSE t.expires_at END'

// What is refused is locked and not updated, and so does not come back. `wait` reads the rows as they were before: of one
// that somebody else has just made there is nothing.
const RESERVE = template('reserve', () => `
  WITH wanted AS MATERIALIZED (
    SELECT i.key, i.most, i.doubles, clock_timestamp() + i.seconds * interval '1 second' AS expires_at
    FROM unnest($1::bytea[], $2::integer[], $3::integer[], $4::boolean[]) AS i (key, most, seconds, doubles)
    ORDER BY i.key
  ), counted AS (
    INSERT INTO ${THROTTLE} AS t (key, count, most, doubles, next_at, expires_at)
    SELECT w.key, 1, w.most, w.doubles, ${nextAt('1', { most: 'w.most', doubles: 'w.doubles', end: 'w.expires_at' })}, w.expires_at
    FROM wanted AS w ORDER BY w.key
    ON CONFLICT (key) DO UPDATE SET
      count = ${COUNT}, most = excluded.most, doubles = excluded.doubles,
      next_at = ${nextAt(`(${COUNT})`, { most: 'excluded.most', doubles: 'excluded.doubles', end: END })},
      expires_at = ${END}
    WHERE t.next_at <= clock_timestamp() OR t.expires_at <= clock_timestamp()
    RETURNING t.key
  )
  SELECT encode(w.key, 'hex') AS key, c.key IS NOT NULL AS granted,
    extract(epoch FROM LEAST(t.next_at, t.expires_at) - clock_timestamp()) AS wait
  FROM wanted AS w LEFT JOIN counted AS c ON c.key = w.key LEFT JOIN ${THROTTLE} AS t ON t.key = w.key`)

/** Counts an attempt under each key that allows one. A row a key: whether it did, and how long it refuses. */
export const reserve = (counted: readonly Counted[]): Statement => RESERVE(TABLES, [
  counted.map(({ key }) => key),
  counted.map(({ limit }) => limit.most),
  counted.map(({ limit }) => limit.seconds),
  counted.map(({ limit }) => limit.doubles)
])

const LOOK = template('lookAtThrottle', () => `
  SELECT extract(epoch FROM LEAST(t.next_at, t.expires_at) - clock_timestamp()) AS wait
  FROM ${THROTTLE} AS t WHERE t.key = $1::bytea AND t.next_at > clock_timestamp() AND t.expires_at > clock_timestamp()`)

/** One row while the key refuses: how long it does. Counts nothing. */
export const look = (key: Buffer): Statement => LOOK(TABLES, [key])

const SETTLE = template('settle', () => `
  WITH locked AS MATERIALIZED (
    SELECT t.key, t.key = ANY ($2::bytea[]) AS reset FROM ${THROTTLE} AS t WHERE t.key = ANY ($1::bytea[]) ORDER BY t.key FOR UPDATE
  ), removed AS (
    DELETE FROM ${THROTTLE} AS t USING locked AS l WHERE t.key = l.key AND l.reset
  )
  UPDATE ${THROTTLE} AS t SET count = GREATEST(t.count - 1, 0), next_at = clock_timestamp()
  FROM locked AS l WHERE t.key = l.key AND NOT l.reset`)

/** Takes attempts back: one under each of `back`, all under each of `reset`. */
export const settle = (back: readonly Buffer[], reset: readonly Buffer[]): Statement => SETTLE(TABLES, [[...back, ...reset], reset])

const CLEAN_UP = template('cleanUpThrottle', () => `
  WITH spare AS MATERIALIZED (
    SELECT t.key FROM ${THROTTLE} AS t WHERE t.expires_at > clock_timestamp() ORDER BY t.count DESC, t.expires_at DESC OFFSET $1::integer
  ), locked AS MATERIALIZED (
    SELECT t.key FROM ${THROTTLE} AS t
    WHERE t.expires_at <= clock_timestamp() OR t.key IN (SELECT s.key FROM spare AS s)
    ORDER BY t.key FOR UPDATE SKIP LOCKED
  )
  DELETE FROM ${THROTTLE} AS t USING locked AS l WHERE t.key = l.key`)

/** Removes what has expired, and beyond `most` rows those with the fewest attempts. */
export const cleanUp = (most: number): Statement => CLEAN_UP(TABLES, [most])
