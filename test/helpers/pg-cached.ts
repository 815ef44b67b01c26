/** Caches on PostgreSQL, as several processes would have them. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import pg from 'pg'
import type { Test } from 'tap'
import { CachedStore } from '../../src/stores/cached.js'
import { PostgresStore, type PostgresStoreOptions } from '../../src/stores/postgres/store.js'
import { postgresStore, type StoreOnPostgres, until } from './pg-store.js'

/** Ends the connections of all feeds of the database. */
export const END_FEEDS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback changes'"
export const CHANNEL = 'silverback:cache:public.sessions'

export interface CachedOnPostgres extends StoreOnPostgres {
  /** A cache that has not begun to hear yet; closed after the test. */
  openCached (options?: Partial<PostgresStoreOptions> & { readonly clock?: () => number, readonly maxStalenessMs?: number }): CachedStore
  /** One that is whole. */
  openWhole (): Promise<CachedStore>
}

export async function cachedStores (t: Test): Promise<CachedOnPostgres> {
  const database = await postgresStore(t)
  const openCached: CachedOnPostgres['openCached'] = ({ clock = () => performance.now(), maxStalenessMs = 1_000, ...options } = {}) => {
    const store = new CachedStore(new PostgresStore({ connectionString: database.connectionString, ...options }), { maxStalenessMs, maxEntries: 1_000, clock })
    t.teardown(() => store.close())
    return store
  }
  return {
    ...database,
    openCached,
    openWhole: async () => {
      const store = openCached()
      await isWhole(store)
      return store
    }
  }
}

export const isWhole = (store: CachedStore): Promise<void> => until('the feed is whole', async () => store.wholeAt > -Infinity)

/** Resolves when the store knows all that was committed before the call. */
export async function heard (...stores: readonly CachedStore[]): Promise<void> {
  const now = performance.now()
  await until('the feeds have heard', async () => stores.every(({ wholeAt }) => wholeAt > now))
}

/** What is told on a channel of node:diagnostics_channel from now on, until the test is over. */
export function toldOn<T> (t: Test, channel: string): T[] {
  const told: T[] = []
  const keep = (message: unknown): void => { told.push(message as T) }
  subscribe(channel, keep)
  t.teardown(() => { unsubscribe(channel, keep) })
  return told
}

/** Listens to what is announced; `read` resolves to what came since the last time. */
export async function openEar (t: Test, connectionString: string, channel = CHANNEL): Promise<{ read: () => Promise<string[]> }> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  t.teardown(() => client.end())
  const texts: string[] = []
  client.on('notification', ({ payload = '' }) => { texts.push(payload) })
  await client.query(`LISTEN "${channel}"`)
  return {
    read: async () => {
      await client.query(`NOTIFY "${channel}", 'that is all'`)
      await until('the mark has come', async () => texts.at(-1) === 'that is all')
      return texts.splice(0).slice(0, -1)
    }
  }
}
