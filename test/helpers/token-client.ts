/** A client of the auth routes that carries tokens in bodies, and a pair of services on one database. */

import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { Test } from 'tap'
import { freshDatabase } from './database.js'
import { startProcess, untilStatus } from './service-process.js'
import type { ServiceProcess } from './service-process.js'

/** What an answer says; `body` is `null` when there is none. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: AnswerBody | null
}

/** The members that tests look at; which of them are there is the answer's business. */
export interface AnswerBody {
  readonly code?: string
  readonly error?: string
  readonly access_token?: string
  readonly refresh_token?: string
  readonly expires_in?: number
  readonly rotates_in?: number
  readonly superseded?: boolean
  readonly user?: { readonly id: string, readonly email: string, readonly isAdmin: boolean }
  readonly session?: { readonly id: string, readonly current: boolean }
  readonly ended?: number
}

export interface SignedIn { readonly access: string, readonly refresh: string, readonly sessionId: string, readonly userId: string }

export const PASSWORD = 'a long walk by the sea'

/** Asks a service. `token` goes out as a Bearer. */
export async function ask (url: string, method: string, path: string, { token, body, headers = {} }: { token?: string | undefined, body?: object, headers?: Record<string, string> } = {}): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' })
    },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : null }
}

/** Registers, or signs in who is registered. @throws when that is refused */
export async function signIn (url: string, path: 'register' | 'login', email: string, password = PASSWORD): Promise<SignedIn> {
  const { status, body } = await ask(url, 'POST', `/auth/${path}`, { body: { email, password } })
  const { access_token: access, refresh_token: refresh, session, user } = body ?? {}
  if (access === undefined || refresh === undefined || session === undefined || user === undefined) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
  return { access, refresh, sessionId: session.id, userId: user.id }
}

export const refresh = async (url: string, token: string): Promise<Answer> => await ask(url, 'POST', '/auth/refresh', { body: { refresh_token: token } })

export const me = async (url: string, access: string): Promise<number> => (await ask(url, 'GET', '/auth/me', { token: access })).status

/** Asks until the access token is refused; resolves to how many milliseconds that took. The test's own timeout ends it. */
export async function untilRefused (url: string, access: string): Promise<number> {
  const startedAt = performance.now()
  while (await me(url, access) !== 401) await pause(1)
  return performance.now() - startedAt
}

/**
 * Whether a message to PostgreSQL is sent for no request: by the revocation feed, whose statements alone are not prepared
 * under a name, or by what is kept of events and counts. What begins and ends a transaction says nothing: what stands within does.
 */
export const isInBackground = (text: string): boolean =>
  text.includes('pg_notify') || text.startsWith('\0\0') || /^(?:BEGIN|COMMIT)\b/.test(text) || /silverback_(?:recordEvents|addCounts|sampleLiveSessions)_/.test(text)

/** Makes the lineage and its session older, as if so many seconds had passed since everything that is noted in them. */
export async function age (pool: pg.Pool, sessionId: string, seconds: number): Promise<void> {
  await pool.query(`UPDATE refresh_tokens SET created_at = created_at - s, updated_at = updated_at - s, delivered_at = delivered_at - s, confirmed_at = confirmed_at - s
    FROM make_interval(secs => $2) AS s WHERE session_id = $1`, [sessionId, seconds])
  // a row of revocations is written when an end moves earlier: this is the passing of time, and no such thing
  await pool.query(`BEGIN; SET LOCAL session_replication_role = replica;
    UPDATE sessions SET created_at = created_at - s, expires_at = expires_at - s, absolute_expires_at = absolute_expires_at - s, last_seen_at = last_seen_at - s
    FROM make_interval(secs => ${seconds}) AS s WHERE id = '${sessionId}'; COMMIT`)
}

export interface Pair {
  readonly a: ServiceProcess
  readonly b: ServiceProcess
  readonly pool: pg.Pool
  readonly connectionString: string
}

/** Two services, as they are started for real, with one database and one set of keys. Limits are off unless `env` says otherwise. */
export async function openPair (t: Test, env: NodeJS.ProcessEnv = {}, through: (connectionString: string) => Promise<{ a: string, b: string }> = async (url) => ({ a: url, b: url })): Promise<Pair> {
  const { connectionString, pool } = await freshDatabase(t)
  const urls = await through(connectionString)
  const shared = { DATA_DIR: t.testdir({}), RATE_LIMIT: 'off', TOKEN_ISSUER: 'https://silverback.example', LOG_LEVEL: 'info', ...env }
  // one after the other: the first makes the keys
  const a = await startProcess(t, { ...shared, DATABASE_URL: urls.a })
  await untilStatus(`${a.url}/readyz`, 200)
  const b = await startProcess(t, { ...shared, DATABASE_URL: urls.b })
  await untilStatus(`${b.url}/readyz`, 200)
  return { a, b, pool, connectionString }
}
