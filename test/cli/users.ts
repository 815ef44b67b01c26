/** Users and sessions as the service leaves them in its tables. */

import { randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { PostgresStore } from '../../src/stores/postgres/store.js'

/** Resolves to the id. */
export async function addUser (pool: pg.Pool, email: string): Promise<string> {
  const { rows: [user] } = await pool.query<{ id: string }>("INSERT INTO users (email, email_key, password_hash) VALUES ($1, lower($1), 'none') RETURNING id", [email])
  return user?.id ?? ''
}

export interface AddedSession { readonly userId?: string | null, readonly clientIp?: string, readonly userAgent?: string }

/** Resolves to the id. */
export async function addSession (pool: pg.Pool, { userId = null, clientIp = '203.0.113.7', userAgent = 'curl/8' }: AddedSession = {}): Promise<string> {
  const store = new PostgresStore({ pool })
  const { id } = await store.create({ id: randomUUID(), secretHash: randomBytes(32), userId, claims: {}, set: {}, unset: [], maxAge: null, idleSeconds: 3_600, absoluteSeconds: 7_200, userAgent, clientIp })
  return id
}

/** Sessions that expired so many seconds ago, of visitors. */
export async function addExpired (pool: pg.Pool, count: number, secondsAgo: number): Promise<void> {
  await pool.query(`
    INSERT INTO sessions (id, secret_hash, created_at, expires_at, absolute_expires_at)
    SELECT gen_random_uuid(), sha256(n::text::bytea), now() - interval '2 days', now() - $2::float8 * interval '1 second', now() + interval '1 day'
    FROM generate_series(1, $1::integer) AS n`, [count, secondsAgo])
}
