/**
 * Every statement on the events of sessions. Text and parameters stand side by side.
 *
 * @module
 */
import type { Statement } from '../../stores/postgres/statement.js'
import { template } from '../../stores/postgres/statement.js'
import { SESSION_EVENTS, TABLES } from '../database/tables.js'
import { WITNESSED } from './event.js'

/** An event that waits to be written: fit for the columns. */
export interface PendingEvent {
  readonly kind: string
  readonly sessionId: string | null
  readonly userId: string | null
  readonly clientIp: string | null
  readonly userAgent: string | null
  readonly actorId: string | null
  readonly reason: string | null
  readonly generation: number | null
  /** When it happened, of `performance.now()`. */
  readonly since: number
}

const COLUMNS = `e.id, floor(extract(epoch FROM e.at) * 1000)::bigint AS at, e.session_id, e.user_id, e.kind, host(e.client_ip) AS client_ip,
    e.user_agent, e.actor_id, e.reason, e.generation`

// The clock is the database's, for what triggers write has it, too: an age is sent, not an instant.
const RECORD = template('recordEvents', () => `
  INSERT INTO ${SESSION_EVENTS} (at, session_id, user_id, kind, client_ip, user_agent, actor_id, reason, generation)
  SELECT i.at, i.session_id, i.user_id, i.kind, i.client_ip, i.user_agent, i.actor_id, i.reason, i.generation
  FROM (
    SELECT n.position, clock_timestamp() - n.age * interval '1 millisecond' AS at, n.session_id, coalesce(n.user_id,
        (SELECT e.user_id FROM ${SESSION_EVENTS} AS e WHERE e.session_id = n.session_id AND e.user_id IS NOT NULL ORDER BY e.id LIMIT 1)) AS user_id,
      n.kind, n.client_ip, n.user_agent, n.actor_id, n.reason, n.generation
    FROM unnest($1::text[], $2::uuid[], $3::text[], $4::inet[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::float8[])
      WITH ORDINALITY AS n (kind, session_id, user_id, client_ip, user_agent, actor_id, reason, generation, age, position)
  ) AS i
  WHERE i.user_id IS NOT NULL OR i.actor_id IS NOT NULL
  ORDER BY i.position`)

/** Adds events, in their order. Of a session that never had a user nothing is added, unless somebody acted on it. */
export const recordEvents = (events: readonly PendingEvent[]): Statement => {
  const now = performance.now()
  return RECORD(TABLES, [
    events.map(({ kind }) => kind),
    events.map(({ sessionId }) => sessionId),
    events.map(({ userId }) => userId),
    events.map(({ clientIp }) => clientIp),
    events.map(({ userAgent }) => userAgent),
    events.map(({ actorId }) => actorId),
    events.map(({ reason }) => reason),
    events.map(({ generation }) => generation),
    events.map(({ since }) => now - since)
  ])
}

/** So many renewals of one session are followed. */
const MOST_IDS = 1_000
/** What ends or changes all sessions of a user is part of the story of each. */
const OF_ALL = "ARRAY['passwordChanged', 'disabled', 'signedOutByAdmin', 'endedByUser']"

/** What the database itself has told of the session: no number of other events hides it. */
const LIFE = `ARRAY['${WITNESSED.join("', '")}']`

const OF_SESSION = template('eventsOfSession', () => `
  WITH RECURSIVE ids AS (
    SELECT $1::uuid AS id
    UNION
    SELECT l.id FROM ids CROSS JOIN LATERAL (
      SELECT e.reason::uuid AS id FROM ${SESSION_EVENTS} AS e WHERE e.session_id = ids.id AND e.kind = 'renewed'
      UNION ALL
      SELECT e.session_id FROM ${SESSION_EVENTS} AS e WHERE e.reason = ids.id::text AND e.kind = 'renewed'
    ) AS l
  ), named AS MATERIALIZED (
    SELECT ids.id FROM ids LIMIT ${MOST_IDS}
  ), life AS MATERIALIZED (
    SELECT e.* FROM named CROSS JOIN LATERAL (
      SELECT e.* FROM ${SESSION_EVENTS} AS e WHERE e.session_id = named.id AND e.kind = ANY (${LIFE}) ORDER BY e.id DESC LIMIT $2::integer) AS e
    ORDER BY e.id DESC LIMIT $2::integer
  ), own AS MATERIALIZED (
    SELECT e.* FROM named CROSS JOIN LATERAL (
      SELECT e.* FROM ${SESSION_EVENTS} AS e WHERE e.session_id = named.id ORDER BY e.id DESC LIMIT $2::integer) AS e
    UNION
    SELECT life.* FROM life
  ), span AS (
    SELECT max(own.user_id) AS user_id, min(own.at) AS first, max(own.at) + interval '10 seconds' AS last FROM own
  )
  SELECT ${COLUMNS} FROM (
    (SELECT own.* FROM own
    UNION
    SELECT e.* FROM span JOIN ${SESSION_EVENTS} AS e ON e.user_id = span.user_id
    WHERE e.kind = ANY (${OF_ALL}) AND e.at BETWEEN span.first AND span.last AND (e.kind = 'passwordChanged' OR e.session_id IS NULL)
    ORDER BY id DESC LIMIT $2::integer)
    UNION
    SELECT life.* FROM life
  ) AS e
  ORDER BY e.at, e.id`)

/** Of the session, under all ids it has had, and what concerned all of its user's meanwhile: the newest `limit`, and the newest `limit` of what the database told, oldest first. */
export const eventsOfSession = (sessionId: string, limit: number): Statement => OF_SESSION(TABLES, [sessionId, limit])

const OF_USER = template('eventsOfUser', () => `
  SELECT ${COLUMNS} FROM ${SESSION_EVENTS} AS e WHERE e.user_id = $1::text ORDER BY e.id DESC LIMIT $2::integer`)

/** The newest first. */
export const eventsOfUser = (userId: string, limit: number): Statement => OF_USER(TABLES, [userId, limit])

const STATE = template('stateOfSession', (tables) => `
  SELECT s.user_id, s.blocked_reason, s.blocked_at IS NOT NULL AS blocked, s.expires_at <= now() AS expired,
    floor(extract(epoch FROM s.expires_at) * 1000) AS expires_at, floor(extract(epoch FROM r.delivered_at) * 1000) AS refreshed_at, r.generation
  FROM ${tables.sessions} AS s LEFT JOIN ${tables.refreshTokens} AS r ON r.session_id = s.id
  WHERE s.id = $1::uuid`)

/** How a session stands, with its lineage. One row, or none: it is gone. */
export const stateOfSession = (sessionId: string): Statement => STATE(TABLES, [sessionId])

const ALLOW = template('allowRetention', () => "SELECT set_config('silverback.retention', 'on', true)")

/** Lets this transaction delete events. */
export const allowRetention = (): Statement => ALLOW(TABLES, [])

const CLEAN_UP = template('cleanUpEvents', (tables) => `
  WITH leader AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('${tables.lockKey}events', 0)) AS leads
  ), removed AS (
    DELETE FROM ${SESSION_EVENTS} AS e
    WHERE e.id = ANY (ARRAY(SELECT o.id FROM ${SESSION_EVENTS} AS o
      WHERE (SELECT leads FROM leader) AND o.at < now() - $1::float8 * interval '1 second' ORDER BY o.at LIMIT $2::integer))
    RETURNING e.id
  )
  SELECT count(*) AS removed FROM removed`)

/** Removes the oldest events beyond an age, a bounded number. One row: how many; 0, too, where another is at it. */
export const cleanUpEvents = (retentionSeconds: number, limit: number): Statement => CLEAN_UP(TABLES, [retentionSeconds, limit])
