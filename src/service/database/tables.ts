import { SESSION_MIGRATIONS } from '../../stores/postgres/migration-status.js'
import type { MigrationSet } from '../../stores/postgres/migration-status.js'
import { quoted, tables } from '../../stores/postgres/names.js'

/** The tables of the library, where the service keeps them. */
export const TABLES = tables()

/** The tables of the service itself, beside those of the library, which must be there first. */
export const SERVICE_MIGRATIONS = {
  folder: new URL('../../../migrations/service/', import.meta.url),
  bookkeeping: 'silverback_service_migrations',
  columns: {
    users: ['id', 'email', 'email_key', 'password_hash', 'is_admin', 'disabled_at', 'sessions_valid_after', 'created_at', 'updated_at'],
    throttle: ['key', 'count', 'most', 'doubles', 'next_at', 'expires_at'],
    session_events: ['id', 'at', 'session_id', 'user_id', 'kind', 'client_ip', 'user_agent', 'actor_id', 'reason', 'generation'],
    stats: ['name', 'bucket', 'value']
  }
} as const satisfies MigrationSet

/** A table, as it is called where the service keeps it. */
export type TableName = keyof typeof SESSION_MIGRATIONS.columns | keyof typeof SERVICE_MIGRATIONS.columns

/** All tables: those of the library, then the service's own. */
export const TABLE_NAMES = Object.keys({ ...SESSION_MIGRATIONS.columns, ...SERVICE_MIGRATIONS.columns }) as readonly TableName[] // their keys are no others

const own = (name: keyof typeof SERVICE_MIGRATIONS.columns): string => `${quoted(TABLES.schema)}.${quoted(name)}`

/** The users of the service. */
export const USERS = own('users')

/** The attempts that are counted. */
export const THROTTLE = own('throttle')

/** What has happened to sessions. */
export const SESSION_EVENTS = own('session_events')

/** Counts over time. */
export const STATS = own('stats')
