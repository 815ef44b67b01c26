/** The statements on many sessions at once: a batch of saves, and cleanup. */

import type { SaveEntry } from '../bulk-store.js'
import { isCached, tell } from './cache-statements.js'
import type { Tables } from './names.js'
import { RowRecord } from './row-record.js'
import { recordsOf, saveOf } from './rows.js'
import { arrayOf, byteaOf, plainArrayOf, type Statement, template } from './statement.js'
import { isTooLarge, slidTo } from './statements.js'

/** The hour since the epoch in which a row expires. */
const bucketOf = (instant: string): string => `GREATEST(-2147483648, LEAST(2147483647, floor(extract(epoch FROM ${instant}) / 3600)))::integer`

// `claimed` takes what nobody has locked and waits for nothing, so that batches cannot deadlock. The subquery is
// planned by itself, for one id: see getMany. The length of the hash is no check (others do not match anyway): it makes
// the planner expect one row of `claimed`, and so look up by primary key in the updates, however long the batch.
// Caches are told once a batch: PostgreSQL evaluates a subquery that depends on no row once, and only where it is asked for.
const saving = (tables: Tables, hasSlides: boolean): string => `
  WITH claimed AS MATERIALIZED (
    SELECT t.*, i.idle, i.changes, CASE WHEN i.changes > 0 THEN
      CASE WHEN i.unset = '[]' THEN t.stored ELSE t.stored - ARRAY(SELECT jsonb_array_elements_text(i.unset::jsonb)) END || i.set::jsonb END AS merged
    FROM unnest($1::uuid[], $2::bytea[], $3::float8[], $4::integer[], $5::text[], $6::text[], $7::xid[])
      AS i (id, secret_hash, idle, changes, set, unset, seen)
    CROSS JOIN LATERAL (
      SELECT t.id, t."values" AS stored, t.version, t.xmin = i.seen AS is_seen, clock_timestamp() AS at
      FROM ${tables.sessions} AS t
      WHERE t.id = i.id AND t.secret_hash = i.secret_hash AND t.expires_at > clock_timestamp() AND t.blocked_at IS NULL
        AND jsonb_typeof(t."values") = 'object'
      FOR NO KEY UPDATE SKIP LOCKED) AS t
    WHERE octet_length(i.secret_hash) = 32
  ), saved AS (
    UPDATE ${tables.sessions} AS t
    SET "values" = c.merged, version = c.version + c.changes,
      expires_at = ${slidTo('c.at', 'coalesce(t.max_age, c.idle)')}, last_seen_at = c.at
    FROM claimed AS c
    WHERE t.id = c.id AND c.changes > 0 AND NOT ${isTooLarge('c.merged')}
    RETURNING t.id, t.version, ${saveOf('t', 'c.is_seen')}
  )${hasSlides ? slid(tables) : ''}
  SELECT ${recordsOf('s')}, CASE WHEN ${isCached(tables)} THEN (
    SELECT ${tell(tables, "string_agg(concat(s.id, ':', s.version), ',')")} FROM saved AS s HAVING count(*) > 0)::text END AS told
  FROM ${hasSlides ? '(SELECT record FROM saved UNION ALL SELECT record FROM slid)' : 'saved'} AS s`

const slid = (tables: Tables): string => `, slid AS (
    UPDATE ${tables.sessions} AS t
    SET expires_at = ${slidTo('c.at', 'coalesce(t.max_age, c.idle)')}, last_seen_at = c.at
    FROM claimed AS c
    WHERE t.id = c.id AND c.changes = 0
    RETURNING ${saveOf('t', 'c.is_seen')}
  )`

const SAVE_MANY = template('saveMany', (tables) => saving(tables, false))
const SAVE_AND_SLIDE_MANY = template('saveMany', (tables) => saving(tables, true))

/**
 * Saves and slides what is live, not locked by another, and not too large then: one row with their records, or the news of
 * those that are as they were seen, in any order.
 *
 * A session that does not come back was not written, and nothing is said of why. No id may stand in `entries` twice; of more
 * than `MOST_IN_BATCH` caches could not be told.
 */
export const saveMany = (tables: Tables, entries: readonly SaveEntry[]): Statement => (entries.some(({ changes }) => changes === 0) ? SAVE_AND_SLIDE_MANY : SAVE_MANY)(tables, [
  plainArrayOf(entries.map(({ id }) => id)),
  arrayOf(entries.map(({ secretHash }) => byteaOf(secretHash))),
  plainArrayOf(entries.map(({ change }) => String(change.idleSeconds))),
  plainArrayOf(entries.map(({ changes }) => String(changes))),
  arrayOf(entries.map(({ change }) => JSON.stringify(change.set))),
  arrayOf(entries.map(({ change }) => JSON.stringify(change.unset))),
  // rows that were written together name the same transaction: the record must be of this very session
  plainArrayOf(entries.map(({ id, seen }) => seen?.id === id ? RowRecord.writerOf(seen) : null))
])

const CLEAN_UP = template('cleanup', (tables) => `
  WITH leader AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('${tables.lockKey}cleanup', 0)) AS leads
  ), due AS MATERIALIZED (
    SELECT t.id, t.expiry_bucket, t.expires_at <= now() AS dead, ${bucketOf('t.expires_at')} AS bucket
    FROM ${tables.sessions} AS t
    WHERE (SELECT leads FROM leader)
      AND (t.expiry_bucket, t.id) > ($1::integer, $2::uuid) AND t.expiry_bucket <= ${bucketOf('now()')}
      AND (t.expires_at <= now() OR ${bucketOf('t.expires_at')} > t.expiry_bucket)
    ORDER BY t.expiry_bucket, t.id
    LIMIT $3::integer
    FOR UPDATE SKIP LOCKED
  ), removed AS (
    DELETE FROM ${tables.sessions} AS t USING due AS d WHERE t.id = d.id AND d.dead AND t.expires_at <= now() RETURNING t.id
  ), moved AS (
    UPDATE ${tables.sessions} AS t SET expiry_bucket = d.bucket FROM due AS d WHERE t.id = d.id AND NOT d.dead
  )
  SELECT (SELECT leads FROM leader) AS leads, (SELECT count(*) FROM due) AS met, (SELECT count(*) FROM removed) AS removed,
    last.expiry_bucket AS bucket, last.id
  FROM (SELECT) AS one LEFT JOIN (SELECT * FROM due ORDER BY expiry_bucket DESC, id DESC LIMIT 1) AS last ON true`)

/** Where a batch of cleanup ended. */
export interface CleanupCursor { readonly bucket: number, readonly id: string }

/**
 * Looks at the next rows whose hour has come: deletes the dead, moves the bucket of the live on. Rows that others have
 * locked are left for the next run. One row: whether this was the one cleaner, what it met and removed, and the last.
 */
export const cleanUp = (tables: Tables, after: CleanupCursor, limit: number): Statement =>
  CLEAN_UP(tables, [after.bucket, after.id, limit])

const SET_TIMEOUTS = template('setTimeouts', () => `
  SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', '1000', true)`)

/** Allows the statements of this transaction more time than those of a request. */
export const setTimeouts = (tables: Tables, statementMs: number): Statement => SET_TIMEOUTS(tables, [String(statementMs)])
