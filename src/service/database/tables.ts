import type { MigrationSet } from '../../stores/postgres/migration-status.js'
import { tables } from '../../stores/postgres/names.js'

/** The tables of the library, where the service keeps them. */
export const TABLES = tables()

/** The tables of the service itself, beside those of the library, which must be there first. */
export const SERVICE_MIGRATIONS: MigrationSet = {
  folder: new URL('../../../migrations/service/', import.meta.url),
  bookkeeping: 'silverback_service_migrations',
  columns: {
    users: ['id', 'email', 'email_key', 'password_hash', 'is_admin', 'disabled_at', 'sessions_valid_after', 'created_at', 'updated_at'],
    throttle: ['key', 'count', 'most', 'doubles', 'next_at', 'expires_at'],
    session_events: ['id', 'at', 'session_id', 'user_id', 'kind', 'client_ip', 'user_agent', 'actor_id', 'reason', 'generation'],
    stats: ['name', 'bucket', 'value']
  }
}

/** The users of the service. */
export const USERS = `"${TABLES.schema}"."users"`

/** The attempts that are counted. */
export const THROTTLE = `"${TABLES.schema}"."throttle"`

/** What has happened to sessions. */
export const SESSION_EVENTS = `"${TABLES.schema}"."session_events"`

/** Counts over time. */
export const STATS = `"${TABLES.schema}"."stats"`
