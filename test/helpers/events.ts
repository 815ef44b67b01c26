/** What the tests of events and statistics share. */

import type pg from 'pg'
import type { Test } from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { EventLog } from '../../src/service/events/event-log.js'
import type { EventLogOptions } from '../../src/service/events/event-log.js'
import { Database } from '../../src/stores/postgres/query.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import { freshDatabase } from './database.js'
import type { FreshDatabase } from './database.js'

/** What a log was told. */
export interface Told { readonly level: 'info' | 'warn' | 'error', readonly message: string }

/** A log that keeps its messages. */
export function keepLog () {
  const told: Told[] = []
  const keep = (level: Told['level']) => (first: unknown, second?: unknown): void => { told.push({ level, message: String(second ?? first) }) }
  return { told, info: keep('info'), warn: keep('warn'), error: keep('error') }
}

export interface ServiceDatabase extends FreshDatabase {
  /** As the service reaches it; closed after the test. */
  readonly database: Database
  readonly store: PostgresStore
  readonly tokens: PostgresTokenStore
  /** Closed after the test. */
  readonly events: EventLog
  openEvents (options?: Partial<EventLogOptions>): EventLog
}

/** A database with all tables of the service, stores on it, and an event log. */
export async function serviceDatabase (t: Test): Promise<ServiceDatabase> {
  const fresh = await freshDatabase(t, { prepare: migrateUp })
  const { connectionString } = fresh
  const database = new Database({ pool: fresh.openPool({ max: 5 }), named: true })
  const store = new PostgresStore({ connectionString })
  const tokens = new PostgresTokenStore({ connectionString })
  t.teardown(async () => { await Promise.all([store.close(), tokens.close()]) })
  const openEvents = (options: Partial<EventLogOptions> = {}): EventLog => {
    const events = new EventLog({ database, log: keepLog(), ...options })
    t.teardown(async () => { await events.close() })
    return events
  }
  return { ...fresh, database, store, tokens, events: openEvents(), openEvents }
}

/** The kinds of all events, in their order. */
export async function kindsIn (pool: pg.Pool): Promise<string[]> {
  return (await pool.query<{ kind: string }>('SELECT kind FROM session_events ORDER BY id')).rows.map(({ kind }) => kind)
}
