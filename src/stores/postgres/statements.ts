/**
 * Every statement on one session, or on those of one user. Text and parameters stand side by side.
 *
 * Where a statement may wait for a lock, liveness is judged by `clock_timestamp()` on the locked row: `now()` is the
 * instant the statement began, and a session that was ended while it waited would count as live. What has to be
 * decided on the row as it is now is decided in the CTE that locks it; the UPDATE that follows joins by id alone,
 * because PostgreSQL tests its other conditions on the older row that the snapshot shows, too.
 *
 * @module
 */

import type { Claims, NewSession, SessionChange, SessionRecord } from '../../session/store.js'
import { isCached, tell } from './cache-statements.js'
import type { Tables } from './names.js'
import { RowRecord } from './row-record.js'
import { epoch, loadedOf, loadedUnless, recordOf, recordsOf } from './rows.js'
import { plainArrayOf, type Statement, template } from './statement.js'

/** 256 KiB: the most that the JSON of one session may take. */
const MAX_VALUES_BYTES = 262_144

/**
 * In SQL: whether computed values are over the limit. They are only turned to text where they could be: what JSON.stringify
 * writes becomes some 21 characters a byte at most (1e255). Longer numbers, which only a hand in psql can write, pass while
 * they are few.
 */
export const isTooLarge = (values: string): string =>
  `(pg_column_size(${values}) > ${MAX_VALUES_BYTES / 64} AND octet_length(${values}::text) > ${MAX_VALUES_BYTES})`

const live = (row: string, at: string): string => `${row}.expires_at > ${at} AND ${row}.blocked_at IS NULL`
const LIVE_NOW = live('t', 'clock_timestamp()')
/** Only a hand in psql makes it anything else; such a session is unusable, not an error. */
const WELL_FORMED = 'jsonb_typeof(t."values") = \'object\''
/** The new idle end of `t`. */
export const slidTo = (at: string, seconds: string): string => `LEAST(${at} + ${seconds} * interval '1 second', t.absolute_expires_at)`
const userLock = (tables: Tables, userId: string): string => `pg_advisory_xact_lock(hashtextextended('${tables.lockKey}user:' || ${userId}, 0))`

const GET = template('get', (tables) => `
  SELECT ${loadedOf('t')}
  FROM ${tables.sessions} AS t
  WHERE t.id = $1::uuid AND ${live('t', 'now()')}`)

const GET_UNLESS_KNOWN = template('get', (tables) => `
  SELECT ${loadedUnless('t', 't.xmin = $2::xid', `json_build_array(${epoch('now()')})`)}
  FROM ${tables.sessions} AS t
  WHERE t.id = $1::uuid AND ${live('t', 'now()')}`)

/** The live session, or, where its row is still that of the record that is `known`, when it was read. Primary-key lookup. */
export const get = (tables: Tables, id: string, known: SessionRecord | null = null): Statement =>
  known === null ? GET(tables, [id]) : GET_UNLESS_KNOWN(tables, [id, RowRecord.writerOf(known)])

// A subquery with OFFSET is planned by itself, for one id: a lookup by primary key whatever the number of ids, and
// whatever the planner believes about the size of the table. `= ANY` turns into a scan of a table it believes small.
const gettingMany = (tables: Tables, wanted: string, loaded: string): string => `
  SELECT ${recordsOf('found')}, ${epoch('now()')} AS read_at
  FROM ${wanted} CROSS JOIN LATERAL (
    SELECT ${loaded}
    FROM ${tables.sessions} AS t
    WHERE t.id = wanted.id AND ${live('t', 'now()')}
    OFFSET 0) AS found`

const GET_MANY = template('getMany', (tables) => gettingMany(tables, 'unnest($1::uuid[]) AS wanted (id)', loadedOf('t')))

const GET_MANY_UNLESS_KNOWN = template('getMany', (tables) => gettingMany(
  tables,
  'unnest($1::uuid[], $2::xid[]) WITH ORDINALITY AS wanted (id, writer, n)',
  loadedUnless('t', 't.xmin = wanted.writer', 'to_json(wanted.n)')
))

/**
 * Of these sessions the live ones: one row with their records, in any order, or, for those whose row is still that of the
 * record that is `known`, their place in the list, from 1 on. One lookup by primary key an id.
 */
export const getMany = (tables: Tables, ids: readonly string[], known: ReadonlyArray<SessionRecord | null> = []): Statement =>
  known.every((record) => record === null)
    ? GET_MANY(tables, [plainArrayOf(ids)])
    : GET_MANY_UNLESS_KNOWN(tables, [plainArrayOf(ids), plainArrayOf(known.map((record) => record && RowRecord.writerOf(record)))])

const SLIDE = template('slide', (tables) => `
  UPDATE ${tables.sessions} AS t
  SET expires_at = ${slidTo('clock_timestamp()', 'coalesce(t.max_age, $3::float8)')}, last_seen_at = clock_timestamp()
  WHERE t.id = $1::uuid AND t.secret_hash = $2::bytea AND ${LIVE_NOW}
  RETURNING ${recordOf('t', 't.last_seen_at')}`)

/** Writes the time columns alone. One row, or none: gone. */
export const slide = (tables: Tables, id: string, secretHash: Uint8Array, idleSeconds: number): Statement =>
  SLIDE(tables, [id, secretHash, idleSeconds])

/** What a change of one session does beyond its patch, in SQL. */
interface Changing {
  readonly lock: 'NO KEY UPDATE' | 'UPDATE'
  /** The values that the patch applies to. */
  readonly stored: string
  /** The session's own idle life, as it shall become. Default: as it is. */
  readonly life?: string
  /** More columns to set, each with a comma behind it. */
  readonly set?: string
  /** One more CTE, which may use `m`, with a comma before it. */
  readonly besides?: string
}

/** `s` locks the live row and merges; `m` measures; `u` writes when it may; then caches are told. One row, or none: gone. */
const changing = (tables: Tables, { lock, stored, life = 't.max_age', set = '', besides = '' }: Changing): string => `
  WITH s AS MATERIALIZED (
    SELECT t.id, t.version, clock_timestamp() AS at, ${life} AS life, (${stored} - $5::text[]) || $4::jsonb AS merged
    FROM ${tables.sessions} AS t
    WHERE t.id = $1::uuid AND t.secret_hash = $2::bytea AND ${LIVE_NOW} AND ${WELL_FORMED}
    FOR ${lock}
  ), m AS MATERIALIZED (
    SELECT s.*, ($6::integer IS NOT NULL AND s.version <> $6) AS conflict,
      ${isTooLarge('s.merged')} AS too_large
    FROM s
  ), u AS (
    UPDATE ${tables.sessions} AS t
    SET ${set} "values" = m.merged, version = m.version + $7::integer,
      max_age = m.life, expires_at = ${slidTo('m.at', 'coalesce(m.life, $3::float8)')}, last_seen_at = m.at
    FROM m
    WHERE t.id = m.id AND NOT m.conflict AND NOT m.too_large
    RETURNING t.version, ${recordOf('t', 't.last_seen_at')}
  )${besides}
  SELECT m.conflict, m.too_large, u.record,
    CASE WHEN u.version IS NOT NULL AND $7::integer > 0 AND ${isCached(tables)} THEN ${tell(tables, "concat(m.id, ':', u.version)")} END AS told
  FROM m LEFT JOIN u ON true`

/** Parameters from $1 on of what `changing` makes. */
const change = (id: string, secretHash: Uint8Array, change: SessionChange, version: number | null): unknown[] => {
  const changed = change.renew !== undefined || change.unset.length > 0 || Object.keys(change.set).length > 0
  return [
    id, secretHash, change.idleSeconds, JSON.stringify(change.set), change.unset, version, changed ? 1 : 0
  ]
}

const isNamed = (tables: Tables): string => `EXISTS (SELECT FROM ${tables.refreshTokens} AS r WHERE r.session_id = t.id)`

const SAVE = template('save', (tables) => changing(tables, { lock: 'NO KEY UPDATE', stored: 't."values"' }))

const SAVE_LIFE = template('save', (tables) => changing(tables, {
  lock: 'NO KEY UPDATE',
  stored: 't."values"',
  life: `CASE WHEN ${isNamed(tables)} THEN t.max_age ELSE $8::integer END`
}))

/**
 * Applies a patch, slides, and sets the own idle life when one is given, unless tokens name the session: see `lock`. With a
 * `version`: only at that version.
 */
export const save = (tables: Tables, id: string, secretHash: Uint8Array, given: SessionChange, version: number | null): Statement => {
  const parameters = change(id, secretHash, given, version)
  return given.maxAge === undefined ? SAVE(tables, parameters) : SAVE_LIFE(tables, [...parameters, wholeSeconds(given.maxAge)])
}

const LOCK = template('lock', (tables) => `SELECT t.id FROM ${tables.sessions} AS t WHERE t.id = $1::uuid FOR NO KEY UPDATE`)

/** Waits for whoever changes the session, and for a lineage that begins: the next statement of the transaction sees it. */
export const lock = (tables: Tables, id: string): Statement => LOCK(tables, [id])

const KEPT = `CASE WHEN $12::text[] IS NULL THEN t."values"
      ELSE (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(t."values") AS e WHERE e.key = ANY ($12::text[])) END`

// Whether tokens name the session is read as it was when the statement began. Where a lineage has begun since, the new
// id is refused by the foreign key, and the same statement again sees it.
const RENEW = template('renew', (tables) => changing(tables, {
  lock: 'UPDATE', // the id changes: the lock that this takes, from the start
  stored: KEPT,
  life: `CASE WHEN $8::boolean AND ($13::boolean OR NOT ${isNamed(tables)}) THEN $9::integer ELSE t.max_age END`,
  set: `id = CASE WHEN $13::boolean OR NOT ${isNamed(tables)} THEN $10::uuid ELSE t.id END,
      secret_hash = $11::bytea, authenticated_at = CASE WHEN $14::boolean THEN m.at ELSE t.authenticated_at END,`,
  besides: `, dropped AS (
    DELETE FROM ${tables.refreshTokens} AS r USING m
    WHERE $13::boolean AND r.session_id = m.id AND NOT m.conflict AND NOT m.too_large
  )`
}))

/**
 * As `save`, with a new secret, and a new id unless tokens name the session, or are dropped; of the stored values the keys
 * in `keep` stay. Refused by the foreign key (23503) where a lineage begins meanwhile.
 */
export const renew = (tables: Tables, id: string, secretHash: Uint8Array, given: SessionChange & Required<Pick<SessionChange, 'renew'>>, version: number | null): Statement => {
  const { renew } = given
  return RENEW(tables, [
    ...change(id, secretHash, given, version), given.maxAge !== undefined, wholeSeconds(given.maxAge ?? null), renew.id, renew.secretHash, renew.keep === 'all' ? null : renew.keep,
    renew.dropsTokens === true, renew.reauthenticates === true
  ])
}

// The lock of the user comes before that of the old row: every way to a row of `old` goes through `l`.
const CREATE = template('create', (tables) => `
  WITH l AS MATERIALIZED (
    SELECT CASE WHEN $3::text IS NOT NULL THEN ${userLock(tables, '$3::text')} END AS locked
  ), old AS MATERIALIZED (
    SELECT t.id, t."values", ${LIVE_NOW} AND ${WELL_FORMED} AS live
    FROM l CROSS JOIN ${tables.sessions} AS t
    WHERE t.id = $12::uuid AND t.secret_hash = $13::bytea AND t.blocked_at IS NULL
    FOR UPDATE OF t
  ), m AS MATERIALIZED (
    SELECT clock_timestamp() AS at, (CASE
        WHEN $14::jsonb IS NULL THEN '{}'
        WHEN old.live THEN old."values"
        ELSE $14::jsonb END - $6::text[]) || $5::jsonb AS merged
    FROM l LEFT JOIN old ON true
  ), sized AS MATERIALIZED (
    SELECT m.*, ${isTooLarge('m.merged')} AS too_large FROM m
  ), d AS (
    DELETE FROM ${tables.sessions} AS t USING old, sized WHERE t.id = old.id AND NOT sized.too_large
    RETURNING t.expires_at > sized.at AS live
  ), i AS (
    INSERT INTO ${tables.sessions} AS t (id, secret_hash, user_id, "values", claims, created_at, expires_at, absolute_expires_at,
      last_seen_at, authenticated_at, max_age, user_agent, client_ip)
    SELECT $1::uuid, $2::bytea, $3::text, sized.merged, $4::jsonb, sized.at,
      sized.at + LEAST($8::float8, $9::float8) * interval '1 second', sized.at + $9::float8 * interval '1 second',
      sized.at, CASE WHEN $3::text IS NOT NULL THEN sized.at END, $7::integer, $10::text, $11::inet
    FROM sized
    WHERE NOT sized.too_large
    RETURNING ${recordOf('t', 't.created_at')}
  )
  SELECT sized.too_large, (SELECT d.live FROM d) AS replaced, i.* FROM sized LEFT JOIN i ON true`)

/**
 * Inserts a session and deletes the one it replaces. One row: the record, and whether another one ended; or that it is too
 * large, and nothing was done.
 */
export const create = (tables: Tables, given: NewSession, clientIp: string | null): Statement => CREATE(tables, [
  given.id, given.secretHash, given.userId, JSON.stringify(given.claims), JSON.stringify(given.set), given.unset,
  wholeSeconds(given.maxAge), given.idleSeconds, given.absoluteSeconds, given.userAgent, clientIp,
  given.replaces?.id ?? null, given.replaces?.secretHash ?? null,
  given.replaces === undefined || given.replaces.carry === null ? null : JSON.stringify(given.replaces.carry)
])

const EVICT = template('evict', (tables) => `
  WITH beyond AS (
    SELECT t.id
    FROM ${tables.sessions} AS t
    WHERE t.user_id = $1::text AND t.id <> $2::uuid AND t.expires_at > clock_timestamp()
    ORDER BY t.last_seen_at DESC, t.id
    OFFSET $3::integer
  )
  DELETE FROM ${tables.sessions} AS t USING beyond AS b WHERE t.id = b.id
  RETURNING t.id`)

/**
 * Ends the user's sessions beyond so many and the one named, the least recently seen first: a row each, with its id. After
 * `create`, which holds the lock of the user: sees all that were stored before.
 */
export const evict = (tables: Tables, userId: string, id: string, others: number): Statement => EVICT(tables, [userId, id, others])

const REMOVE = template('delete', (tables) => `
  DELETE FROM ${tables.sessions} AS t
  WHERE t.id = $1::uuid AND ($2::bytea IS NULL OR t.secret_hash = $2::bytea)
  RETURNING t.expires_at > clock_timestamp() AS live`)

/** Ends a session, whatever its secret where the hash is `null`. One row if there was one, and whether it had not expired. */
export const remove = (tables: Tables, id: string, secretHash: Uint8Array | null): Statement => REMOVE(tables, [id, secretHash])

const BLOCK = template('block', (tables) => `
  WITH found AS MATERIALIZED (
    SELECT t.id, t.blocked_at IS NULL AS first FROM ${tables.sessions} AS t
    WHERE t.id = $1::uuid AND t.expires_at > clock_timestamp()
    FOR NO KEY UPDATE
  ), blocked AS (
    UPDATE ${tables.sessions} AS t SET blocked_at = clock_timestamp(), blocked_reason = $2::text FROM found AS f WHERE t.id = f.id AND f.first
  )
  SELECT f.first FROM found AS f`)

/** Freezes a session; the first block and its reason stand. One row if it has not expired, and whether this block is the `first`. */
export const block = (tables: Tables, id: string, reason: string): Statement => BLOCK(tables, [id, reason])

const UNBLOCK = template('unblock', (tables) => `
  UPDATE ${tables.sessions} AS t SET blocked_at = NULL, blocked_reason = NULL
  WHERE t.id = $1::uuid AND t.expires_at > clock_timestamp()
  RETURNING t.id`)

/** Lifts a block. One row if the session has not expired. */
export const unblock = (tables: Tables, id: string): Statement => UNBLOCK(tables, [id])

const LIST_BY_USER = template('listByUser', (tables) => `
  SELECT ${recordOf('t', 'now()')}
  FROM ${tables.sessions} AS t
  WHERE t.user_id = $1::text AND t.expires_at > now()
  ORDER BY t.last_seen_at DESC, t.id`)

/** What has not expired, the most recently seen first. Index on user_id. */
export const listByUser = (tables: Tables, userId: string): Statement => LIST_BY_USER(tables, [userId])

const LOCK_USER = template('lockUser', (tables) => `SELECT ${userLock(tables, '$1::text')} AS locked`)

/** Waits for the user's sign-ins that are being stored, and makes later ones wait, until the transaction ends. */
export const lockUser = (tables: Tables, userId: string): Statement => LOCK_USER(tables, [userId])

const DELETE_BY_USER = template('deleteByUser', (tables) => `
  DELETE FROM ${tables.sessions} AS t
  WHERE t.user_id = $1::text AND ($2::uuid IS NULL OR t.id <> $2)
  RETURNING t.id, t.expires_at > clock_timestamp() AS live`)

/** Ends the user's sessions but one. Sees the sign-ins that `lockUser` waited for: it has a snapshot of its own. */
export const deleteByUser = (tables: Tables, userId: string, except: string | null): Statement => DELETE_BY_USER(tables, [userId, except])

const SET_CLAIMS = template('setClaims', (tables) => `
  UPDATE ${tables.sessions} AS t SET claims = $2::jsonb
  WHERE t.user_id = $1::text AND t.expires_at > clock_timestamp()
  RETURNING t.id`)

/** Replaces the claims on what has not expired. After `lockUser`, as `deleteByUser`. */
export const setClaims = (tables: Tables, userId: string, claims: Claims): Statement => SET_CLAIMS(tables, [userId, JSON.stringify(claims)])

/** The column is whole seconds. Rounded up: less than a second must not become none. */
function wholeSeconds (seconds: number | null): number | null {
  return seconds === null ? null : Math.ceil(seconds)
}
