/** The service as an application that does not listen: on stores in memory unless the test brings its own, or on PostgreSQL. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import type { Test } from 'tap'
import { buildApp } from '../../src/service/app.js'
import type { AppParts } from '../../src/service/app.js'
import { readConfig } from '../../src/service/config.js'
import { Secret } from '../../src/service/config/secret.js'
import { migrateUp } from '../../src/service/database/migrations.js'
import { createLog } from '../../src/service/log.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import { Database } from '../../src/stores/postgres/query.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import { freshDatabase } from './database.js'
import type { FreshDatabase } from './database.js'

export interface ServiceOptions extends Partial<Omit<AppParts, 'config'>> {
  /** The environment. Default: limits off, else empty, which is development. */
  readonly env?: NodeJS.ProcessEnv
}

export const AUTH_KEY = randomBytes(32).toString('base64url')
const TOKEN_KEYS = {
  TOKEN_SIGNING_KEYS: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  TOKEN_REFRESH_KEYS: randomBytes(32).toString('base64url')
}

/** What production requires. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://localhost/app',
  SESSION_AUTH_KEYS: AUTH_KEY,
  TOKEN_ISSUER: 'https://id.example.com',
  TOKEN_AUDIENCE: 'api',
  ...TOKEN_KEYS
}

/** Closed after the test. There are no users: their database is not there. */
export async function openService (t: Test, { env = {}, ...parts }: ServiceOptions = {}): Promise<FastifyInstance> {
  const store = new MemoryStore()
  const nowhere = new pg.Pool({ connectionString: 'postgres://127.0.0.1:1/nowhere' })
  const app = buildApp({
    config: readConfig({ RATE_LIMIT: 'off', ...env }),
    authKeys: new Secret(AUTH_KEY),
    tokenKeys: { signingKeys: new Secret(TOKEN_KEYS.TOKEN_SIGNING_KEYS), refreshKeys: new Secret(TOKEN_KEYS.TOKEN_REFRESH_KEYS) },
    store,
    tokenStore: new MemoryTokenStore({ store }),
    database: new Database({ pool: nowhere, named: true }),
    readiness: { isReady: true, check: async () => ({ reasons: [], warnings: [] }) },
    log: createLog('silent'),
    ...parts
  })
  t.teardown(async () => { await app.close() })
  await app.ready()
  return app
}

export interface ServiceOnPostgres extends FreshDatabase {
  readonly app: FastifyInstance
  /** Another node on the database; closed after the test. */
  openNode (options?: ServiceOptions): Promise<FastifyInstance>
}

/** The service on a database of its own, with all its tables. */
export async function openServiceOnPostgres (t: Test, options: ServiceOptions = {}): Promise<ServiceOnPostgres> {
  const database = await freshDatabase(t, { prepare: migrateUp })
  const { connectionString } = database
  const openNode = async (more: ServiceOptions = {}): Promise<FastifyInstance> => await openService(t, {
    store: new PostgresStore({ connectionString }),
    tokenStore: new PostgresTokenStore({ connectionString }),
    database: new Database({ pool: database.openPool({ max: 5, application_name: 'silverback' }), named: true }),
    env: {},
    ...options,
    ...more
  })
  return { ...database, app: await openNode(), openNode }
}

/** The session cookie that an answer has set, as a Cookie header; an empty text: none. */
export function cookieOf (answer: { readonly cookies: readonly { readonly name: string, readonly value: string }[] }): string {
  const [cookie] = answer.cookies
  return cookie === undefined ? '' : `${cookie.name}=${cookie.value}`
}

/** All cookies that an answer has set, as a Cookie header. */
export function cookiesOf (answer: { readonly cookies: readonly { readonly name: string, readonly value: string }[] }): string {
  return answer.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

/** Begins a session; resolves to its Cookie header. */
export async function beginSession (app: FastifyInstance, values: object = { colour: 'silver' }): Promise<string> {
  return cookieOf(await app.inject({ method: 'PATCH', url: '/session', payload: { set: values } }))
}
