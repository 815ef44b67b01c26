/**
 * Speaks to a server of ours as its superuser: is it ready, and has it the database?
 *
 * @module
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Client, escapeIdentifier } from 'pg'
import { ROLE } from './cluster.js'
import type { Endpoint } from './endpoint.js'
import { EmbeddedPostgresError, codeOf, messageOf } from './errors.js'
import type { Postmaster, RunningServer } from './postmaster.js'

const CONNECT_WITHIN_MS = 5_000
const RETRY_EVERY_MS = 25
/** Crash recovery may have minutes of writing to repeat. */
const READY_WITHIN_MS = 120_000
/** There in every cluster. */
const MAINTENANCE_DATABASE = 'postgres'

export interface Access {
  readonly endpoint: Endpoint
  readonly password: string
}

/** A URL that `pg` and PostgreSQL's own programs understand. It holds the password. */
export function connectionStringOf ({ endpoint, password }: Access, database: string): string {
  const url = new URL(`postgresql://${endpoint.address ?? 'localhost'}:${endpoint.port}`)
  url.username = ROLE
  url.password = password
  url.pathname = `/${encodeURIComponent(database)}`
  if (endpoint.address === null) url.searchParams.set('host', endpoint.socketFolder)
  url.searchParams.set('sslmode', 'disable') // the variable PGSSLMODE must not ask our own server for TLS
  return url.href
}

/**
 * Waits until a server lets us in, and resolves to it; to `null` when it ends before.
 *
 * @param look finds the server again before each attempt; `null` once it has ended
 * @throws EmbeddedPostgresError `ERR_DATA_DIR_BROKEN` when it refuses our password, `ERR_POSTGRES_START` after two minutes
 */
export async function awaitReady (password: string, look: () => Promise<Postmaster | null>): Promise<RunningServer | null> {
  const deadline = performance.now() + READY_WITHIN_MS
  for (let server = await look(); server !== null; server = await look()) {
    const { endpoint, identity } = server
    const refusal = endpoint === null ? new Error('it has not begun to listen') : await refusalOf({ endpoint, password })
    if (endpoint !== null && refusal === null) return { identity, endpoint }
    if (codeOf(refusal).startsWith('28')) { // invalid authorization
      throw new EmbeddedPostgresError('ERR_DATA_DIR_BROKEN', `PostgreSQL refuses the password in its data folder: ${messageOf(refusal)}`)
    }
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError('ERR_POSTGRES_START', `PostgreSQL (pid ${identity.pid}) runs but does not answer: ${messageOf(refusal)}`)
    }
    await pause(RETRY_EVERY_MS)
  }
  return null
}

/** Makes the database unless it is there. */
export async function ensureDatabase (access: Access, database: string): Promise<void> {
  await withClient(access, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${escapeIdentifier(database)}`)
  })
}

/** What an attempt to connect ended with; `null` when it worked. */
const refusalOf = (access: Access): Promise<unknown> =>
  withClient(access, async () => {}).then(() => null, (error: unknown) => error)

/** Over the socket, where no other program can answer in the server's place. */
async function withClient ({ endpoint, password }: Access, work: (client: Client) => Promise<void>): Promise<void> {
  const connectionString = connectionStringOf({ endpoint: { ...endpoint, address: null }, password }, MAINTENANCE_DATABASE)
  const client = new Client({ connectionString, connectionTimeoutMillis: CONNECT_WITHIN_MS })
  client.on('error', () => {}) // a cut connection fails the query in flight; there is nothing else to tell
  try {
    await client.connect()
    await work(client)
  } finally {
    await client.end().catch(() => {}) // already cut
  }
}
