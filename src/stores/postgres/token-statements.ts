/**
 * Every statement on refresh tokens. Text and parameters stand side by side.
 *
 * The row of the session is locked first, and that of the lineage from it. Only then is the instant taken by which all is
 * judged, on the rows as they are then; the updates that follow join by id alone.
 *
 * @module
 */

import type { PresentedToken, RotationRules } from '../../tokens/rotation.js'
import type { AccessFacts, LineageRules, NewLineage } from '../../tokens/store.js'
import type { Tables } from './names.js'
import { ALL_SESSIONS } from './revocation-statements.js'
import { recordOf } from './rows.js'
import { arrayOf, byteaOf, plainArrayOf, type Statement, template } from './statement.js'

/** An access token that is issued now says an instant after the last revocation, within the same millisecond too. */
const issuedAt = (tables: Tables, id: string, at: string): string => `GREATEST(${at}, ${lastOf(tables, id)} + interval '1 millisecond')`

/** When tokens of the session were last revoked. Lookup by primary key. */
const lastOf = (tables: Tables, id: string): string => `(SELECT max(v.at) FROM ${tables.revocations} AS v WHERE v.session_id = ${id})`

const CREATE = template('createRefreshToken', (tables) => `
  WITH s AS MATERIALIZED (
    SELECT t.id
    FROM ${tables.sessions} AS t
    WHERE t.id = $1::uuid AND t.user_id = $2::text AND t.expires_at > clock_timestamp() AND t.blocked_at IS NULL
    FOR NO KEY UPDATE
  ), m AS MATERIALIZED (
    SELECT s.id, clock_timestamp() AS at, ${issuedAt(tables, 's.id', 'clock_timestamp()')} AS issued_at FROM s
  ), i AS (
    INSERT INTO ${tables.refreshTokens} (session_id, user_id, token_hash, created_at, updated_at, delivered_at)
    SELECT m.id, $2::text, $3::bytea, m.at, m.at, m.at FROM m
    ON CONFLICT (session_id) DO NOTHING
    RETURNING session_id
  ), u AS (
    UPDATE ${tables.sessions} AS t
    SET max_age = ceil($4::float8)::integer,
      expires_at = LEAST(m.at + $4::float8 * interval '1 second', t.created_at + $5::float8 * interval '1 second'),
      absolute_expires_at = t.created_at + $5::float8 * interval '1 second', last_seen_at = m.at
    FROM i JOIN m ON m.id = i.session_id
    WHERE t.id = i.session_id
    RETURNING ${recordOf('t', 'm.issued_at')}
  )
  SELECT u.record IS NULL AS taken, u.record FROM m LEFT JOIN u ON true`)

/** Begins a lineage, and gives the session its times. One row: the session, or that it has a lineage; none: not live, or another user's. */
export const createRefreshToken = (tables: Tables, { sessionId, userId, tokenHash, idleSeconds, absoluteSeconds }: NewLineage): Statement =>
  CREATE(tables, [sessionId, userId, tokenHash, idleSeconds, absoluteSeconds])

/**
 * `decide` of `tokens/rotation.ts` in SQL, in its order. `j` is the presented token with the session and its lineage; `$6`
 * and `$7` are those of `presented`.
 */
const FOUND = `CASE
      WHEN j.revoked_at IS NOT NULL THEN 'REVOKED'
      WHEN j.expires_at <= j.at THEN 'EXPIRED'
      WHEN j.blocked_at IS NOT NULL THEN 'BLOCKED'
      WHEN j.user_id IS DISTINCT FROM j.session_user_id OR j.user_id <> j.request_user_id THEN 'WRONG_USER'
      WHEN j.behind = 0 AND j.token_hash = j.presented_hash
        THEN CASE WHEN j.at - j.delivered_at >= $6::float8 * interval '1 second' THEN 'ROTATE' ELSE 'EARLY' END
      WHEN j.behind = 1 AND j.previous_hash = j.presented_hash AND j.confirmed_at IS NULL
        THEN CASE WHEN j.token_hash = ANY (j.successor_hashes) THEN 'REPLAY' ELSE 'MISMATCH' END
      WHEN j.behind = 1 AND j.at - j.confirmed_at > $7::float8 * interval '1 second' THEN 'REUSE'
      WHEN j.behind = 1 AND j.previous_hash = j.presented_hash THEN 'STRAGGLER'
      WHEN j.behind >= 2 THEN 'REUSE'
      WHEN j.behind < 0 THEN 'AHEAD'
      ELSE 'MISMATCH' END`

/** The token of `presented`, as a row. */
const ONE = `(
      SELECT $1::uuid AS presented_id, $2::bigint AS presented_generation, $3::bytea AS presented_hash, $4::bytea[] AS successor_hashes, $5::text AS request_user_id)`

// The length of the hash makes the planner expect one row: see saves of many.
/** The tokens of `presentedMany`, a row each. */
const MANY = `(
      SELECT u.presented_id, u.presented_generation, u.presented_hash, u.successor_hashes::bytea[] AS successor_hashes, u.request_user_id
      FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::text[], $5::text[])
        AS u (presented_id, presented_generation, presented_hash, successor_hashes, request_user_id)
      WHERE octet_length(u.presented_hash) = 32)`

/** Parameters from `$1` to `$7`. */
const presented = (token: PresentedToken, rules: RotationRules): unknown[] => [
  token.sessionId, token.generation, token.hash, token.successorHashes.map((hash) => Buffer.from(hash)), token.requestUserId, rules.minGenerationAge, rules.stragglerWindow
]

/** The same of many. User ids go through the driver: a hand in the database may have put any character into one. */
const presentedMany = (tokens: readonly PresentedToken[], rules: RotationRules): unknown[] => [
  plainArrayOf(tokens.map(({ sessionId }) => sessionId)),
  plainArrayOf(tokens.map(({ generation }) => String(generation))),
  arrayOf(tokens.map(({ hash }) => byteaOf(hash))),
  arrayOf(tokens.map(({ successorHashes }) => arrayOf(successorHashes.map(byteaOf)))),
  tokens.map(({ requestUserId }) => requestUserId),
  rules.minGenerationAge, rules.stragglerWindow
]

const PRESENTED = 'p.presented_generation, p.presented_hash, p.successor_hashes, p.request_user_id'
const LINEAGE = 'r.user_id, r.generation, r.token_hash, r.previous_hash, r.delivered_at, r.confirmed_at, r.replays, r.revoked_at'
const SESSION = 's.id, s.user_id AS session_user_id, s.claims, s.authenticated_at, s.expires_at, s.absolute_expires_at, s.max_age, s.blocked_at'
const BEHIND = 'r.generation - p.presented_generation AS behind'

/** What `toRotations` reads: one text, for all. */
const rotations = (issuedAt: string): string => `json_agg(json_build_array(
    d.id, d.found, d.user_id, d.claims, extract(epoch FROM d.authenticated_at), extract(epoch FROM d.expires_at), d.generation,
    encode(d.token_hash, 'hex'), extract(epoch FROM d.delivered_at), extract(epoch FROM d.at), extract(epoch FROM ${issuedAt}))) AS rotations`

// `s` locks, `l` locks, `j` takes the instant, `d` decides, `c` says how the lineage is then: `advance`.
const rotating = (tables: Tables, tokens: string, lock: string): string => `
  WITH s AS MATERIALIZED (
    SELECT ${PRESENTED}, s.*
    FROM ${tokens} AS p
    CROSS JOIN LATERAL (SELECT ${SESSION} FROM ${tables.sessions} AS s WHERE s.id = p.presented_id FOR ${lock}) AS s
  ), l AS MATERIALIZED (
    SELECT p.*, ${BEHIND}, ${LINEAGE}
    FROM s AS p CROSS JOIN LATERAL (SELECT r.* FROM ${tables.refreshTokens} AS r WHERE r.session_id = p.id FOR ${lock}) AS r
  ), j AS MATERIALIZED (
    SELECT l.*, clock_timestamp() AS at FROM l
  ), d AS MATERIALIZED (
    SELECT j.*, ${FOUND} AS found FROM j
  ), c AS MATERIALIZED (
    SELECT d.id, d.found, d.at, d.user_id, d.claims, d.authenticated_at,
      CASE d.found WHEN 'ROTATE' THEN LEAST(d.at + coalesce(d.max_age, $8::float8) * interval '1 second', d.absolute_expires_at)
        ELSE d.expires_at END AS expires_at,
      CASE d.found WHEN 'ROTATE' THEN d.generation + 1 WHEN 'AHEAD' THEN d.presented_generation ELSE d.generation END AS generation,
      CASE d.found WHEN 'ROTATE' THEN d.successor_hashes[1] WHEN 'AHEAD' THEN d.presented_hash ELSE d.token_hash END AS token_hash,
      CASE d.found WHEN 'ROTATE' THEN d.token_hash WHEN 'AHEAD' THEN NULL ELSE d.previous_hash END AS previous_hash,
      CASE WHEN d.found IN ('ROTATE', 'REPLAY', 'AHEAD') THEN d.at ELSE d.delivered_at END AS delivered_at,
      CASE d.found WHEN 'ROTATE' THEN NULL WHEN 'AHEAD' THEN d.at WHEN 'EARLY' THEN coalesce(d.confirmed_at, d.at) ELSE d.confirmed_at END AS confirmed_at,
      CASE WHEN d.found IN ('ROTATE', 'AHEAD') THEN 0 WHEN d.found = 'REPLAY' THEN d.replays + 1 ELSE d.replays END AS replays,
      d.found IN ('ROTATE', 'REPLAY', 'AHEAD') OR (d.found = 'EARLY' AND d.confirmed_at IS NULL) AS changed
    FROM d
  ), moved AS (
    UPDATE ${tables.refreshTokens} AS r
    SET generation = c.generation, token_hash = c.token_hash, previous_hash = c.previous_hash, delivered_at = c.delivered_at,
      confirmed_at = c.confirmed_at, replays = c.replays, updated_at = c.at
    FROM c
    WHERE r.session_id = c.id AND c.changed
  ), slid AS (
    UPDATE ${tables.sessions} AS t SET expires_at = c.expires_at, last_seen_at = c.at FROM c WHERE t.id = c.id AND c.found = 'ROTATE'
  ), blocked AS (
    UPDATE ${tables.sessions} AS t SET blocked_at = c.at, blocked_reason = 'refresh_reuse' FROM c WHERE t.id = c.id AND c.found = 'REUSE'
  )
  SELECT ${rotations(issuedAt(tables, 'd.id', 'd.at'))} FROM c AS d`

const ROTATE = template('rotateRefreshToken', (tables) => rotating(tables, ONE, 'NO KEY UPDATE'))
// waits for nobody, so that batches cannot deadlock
const ROTATE_MANY = template('rotateRefreshTokens', (tables) => rotating(tables, MANY, 'NO KEY UPDATE SKIP LOCKED'))

/** Judges a presented token and does what the case changes. One row with what was found, or with nothing: there is no lineage. */
export const rotateRefreshToken = (tables: Tables, token: PresentedToken, rules: LineageRules): Statement =>
  ROTATE(tables, [...presented(token, rules), rules.refreshTtl])

/**
 * The same for many, of sessions that nobody has locked: the others are left as they are, and nothing is said of them. No
 * session may stand in `tokens` twice.
 */
export const rotateRefreshTokens = (tables: Tables, tokens: readonly PresentedToken[], rules: LineageRules): Statement =>
  ROTATE_MANY(tables, [...presentedMany(tokens, rules), rules.refreshTtl])

const INSPECT = template('getUserFromRefreshToken', (tables) => `
  WITH j AS MATERIALIZED (
    SELECT ${PRESENTED}, ${BEHIND}, ${SESSION}, ${LINEAGE}, clock_timestamp() AS at
    FROM ${ONE} AS p JOIN ${tables.sessions} AS s ON s.id = p.presented_id JOIN ${tables.refreshTokens} AS r ON r.session_id = s.id
  ), d AS MATERIALIZED (
    SELECT j.*, ${FOUND} AS found FROM j
  )
  SELECT ${rotations('d.at')} FROM d`)

/** Judges a presented token, locks nothing and changes nothing. One row with what was found, or with nothing: there is no lineage. */
export const getUserFromRefreshToken = (tables: Tables, token: PresentedToken, rules: RotationRules): Statement => INSPECT(tables, presented(token, rules))

const REVOKE = template('revokeRefreshToken', (tables) => `
  WITH s AS MATERIALIZED (
    SELECT t.id, t.expires_at FROM ${tables.sessions} AS t WHERE t.id = $1::uuid FOR NO KEY UPDATE
  ), m AS MATERIALIZED (
    SELECT s.id, s.expires_at, clock_timestamp() AS at FROM s
  ), ended AS (
    UPDATE ${tables.refreshTokens} AS r
    SET revoked_at = coalesce(r.revoked_at, m.at), updated_at = m.at,
      revoked_reason = CASE WHEN r.revoked_at IS NULL THEN $2::text ELSE r.revoked_reason END
    FROM m
    WHERE r.session_id = m.id AND m.expires_at > m.at
  ), expired AS (
    UPDATE ${tables.sessions} AS t
    SET expires_at = m.at, "values" = '{}', version = t.version + 1
    FROM m
    WHERE t.id = m.id AND m.expires_at > m.at
  )
  SELECT m.expires_at > m.at AS live FROM m`)

/** Expires a session, empties its values, and revokes its lineage. One row if there is a session, and whether it had not expired. */
export const revokeRefreshToken = (tables: Tables, sessionId: string, reason: string): Statement => REVOKE(tables, [sessionId, reason])

const CONFIRM = template('confirmRefreshToken', (tables) => `
  WITH noted AS (
    UPDATE ${tables.refreshTokens} AS r
    SET confirmed_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE r.session_id = $1::uuid AND r.generation = $2::bigint AND r.confirmed_at IS NULL
  )
  SELECT r.generation FROM ${tables.refreshTokens} AS r WHERE r.session_id = $1::uuid`)

/** Notes that the newest token has arrived. Locks the lineage alone, and waits for nothing after that. One row: the newest generation; none: no lineage. */
export const confirmRefreshToken = (tables: Tables, sessionId: string, generation: number): Statement => CONFIRM(tables, [sessionId, generation])

const IS_VALID = template('isAccessValid', (tables) => `
  SELECT t.id
  FROM ${tables.sessions} AS t
  WHERE t.id = $1::uuid AND t.user_id = $2::text AND t.expires_at > now() AND t.blocked_at IS NULL
    AND coalesce(GREATEST(${lastOf(tables, '$1::uuid')}, ${lastOf(tables, `'${ALL_SESSIONS}'`)}) < to_timestamp($3::float8 / 1000), true)`)

/** One row if the session is live and the user's, and nothing was revoked since. */
export const isAccessValid = (tables: Tables, { sessionId, userId, issuedAt }: AccessFacts): Statement => IS_VALID(tables, [sessionId, userId, issuedAt])
