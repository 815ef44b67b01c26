/** What the tests of the PostgreSQL store share. */

import type pg from 'pg'
import type { Test } from 'tap'
import type { JsonObject, PlainChange, SessionRecord } from '../../src/session/store.js'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { PostgresStore, type PostgresStoreOptions } from '../../src/stores/postgres/store.js'
import { type FreshDatabase, freshDatabase } from './database.js'

export interface StoreOnPostgres extends FreshDatabase {
  /** Closed after the test. */
  readonly store: PostgresStore
  /** Another store on the database, as another process would have; closed after the test. */
  openStore (options?: Omit<PostgresStoreOptions, 'pool' | 'connectionString'>): PostgresStore
}

/** A database with the tables, and a store on it. */
export async function postgresStore (t: Test): Promise<StoreOnPostgres> {
  const database = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const openStore = (options: Omit<PostgresStoreOptions, 'pool' | 'connectionString'> = {}): PostgresStore => {
    const store = new PostgresStore({ connectionString: database.connectionString, ...options })
    t.teardown(() => store.close())
    return store
  }
  return { ...database, store: openStore(), openStore }
}

export { freshHash, newSession } from '../../src/testing/fixtures.js'

export const put = (set: JsonObject): PlainChange => ({ set, unset: [], idleSeconds: 3_600 })
export const SLIDE: PlainChange = { set: {}, unset: [], idleSeconds: 3_600 }
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

export interface SeedOptions {
  readonly count: number
  /** From now to `expires_at`, as an interval of PostgreSQL. Default one hour. */
  readonly expiresIn?: string
  readonly userId?: string
}

/** Inserts sessions that nobody holds the secret of. */
export async function seed (pool: pg.Pool, { count, expiresIn = '1 hour', userId }: SeedOptions): Promise<void> {
  await pool.query(`
    INSERT INTO sessions (id, secret_hash, user_id, "values", expires_at, absolute_expires_at)
    SELECT gen_random_uuid(), decode(md5(n::text) || md5(n::text), 'hex'), coalesce($3, CASE WHEN n % 2 = 0 THEN 'user ' || n / 4 END),
      jsonb_build_object('n', n, 'cart', '[1, 2, 3]'::jsonb, 'name', 'somebody'), now() + $2::interval, now() + interval '1 day'
    FROM generate_series(1, $1) AS n`, [count, expiresIn, userId ?? null])
}

/** Asks again and again until it is so. @throws after ten seconds */
export async function until (what: string, holds: () => Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 10_000
  while (!await holds()) {
    if (performance.now() > endsAt) throw new Error(`it never came about that ${what}`)
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

/** Resolves when so many statements of the database wait for a lock. */
export async function lockWaits (pool: pg.Pool, count: number): Promise<void> {
  await until(`${count} statements wait for a lock`, async () => {
    const { rows } = await pool.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    return rows.length === count
  })
}

/** Deadlocks of the database so far. Exact once the connections that may have met one are closed. */
export async function deadlocks (pool: pg.Pool): Promise<number> {
  const { rows: [row] } = await pool.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')
  return Number(row.deadlocks)
}

/** Runs `work` while a transaction of another connection holds what `statement` locks. */
export async function whileLocked<T> (pool: pg.Pool, statement: string, values: unknown[], work: () => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(statement, values)
    return await work()
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

/** @throws unless there is one */
export function found (record: SessionRecord | 'conflict' | null | undefined): SessionRecord {
  if (record === null || record === undefined || record === 'conflict') throw new Error(`there should be a session; got ${String(record)}`)
  return record
}
