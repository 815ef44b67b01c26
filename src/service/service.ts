import { setTimeout as pause } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Pool } from 'pg'
import { isLocal } from '../stores/postgres/connection-string.js'
import { openPool } from '../stores/postgres/pool.js'
import { Database } from '../stores/postgres/query.js'
import { PostgresStore } from '../stores/postgres/store.js'
import { PostgresTokenStore } from '../stores/postgres/token-store.js'
import { buildApp } from './app.js'
import type { AppParts } from './app.js'
import type { Config } from './config.js'
import { watchDatabase } from './database.js'
import { startEmbeddedPostgres } from './embedded-postgres.js'
import type { EmbeddedPostgresOptions } from './embedded-postgres.js'
import { developmentKeys, developmentTokenKeys } from './keys.js'
import { folderError, listenError } from './start-error.js'

/** A service that runs. */
export interface Service {
  /** Where people go. */
  readonly url: string
  /** Stops accepting, lets what is under way finish within six seconds, and gives everything back: within ten. Never rejects. */
  stop (): Promise<void>
}

/** Requests that take longer than this are cut, and what is still to be written is lost: connections may take three seconds more to close. */
const DRAIN_MS = 6_000
/** For those whose requests were cut, to end. */
const CUT_MS = 500
/** For users, throttle, lists, events and statistics: most of a sign-in is its hash. */
const OWN_CONNECTIONS = 5
/** For sessions, and for tokens. */
const STORE_CONNECTIONS = 10

/**
 * Starts everything in order: the embedded PostgreSQL where no other is given, the keys, the application, the port; then
 * the database is waited for in the background.
 *
 * @throws EmbeddedPostgresError, KeysFileError, StartError; what was started is stopped
 */
export async function startService (config: Config, log: FastifyBaseLogger): Promise<Service> {
  const undo: Undo = []
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step().catch((err: unknown) => { log.error({ err }, 'a part of the service did not stop') })
  }
  try {
    return { url: await startParts(config, log, undo), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Resolves to where it listens. What it starts, it notes how to stop. */
async function startParts (config: Config, log: FastifyBaseLogger, undo: Undo): Promise<string> {
  for (const warning of config.warnings) log.warn(warning)
  const note = (message: string): void => { log.info(message) }
  const { dataDir } = config
  let lost: string | null = null
  const onEnd = (message: string): void => {
    lost = message
    log.error(message)
  }
  const connectionString = config.database.url?.reveal() ?? await inFolder(dataDir, async () => await startDatabase(config, { log: note, onEnd }, undo))
  const keys = await inFolder(dataDir, async () => await openKeys(config, note))
  const { migrationUrl, directUrl, migrateOnStart, pooler } = config.database
  const directConnectionString = directUrl?.reveal() ?? connectionString
  const { closePools, ...stored } = openStores(connectionString, directConnectionString, pooler)
  const migrationConnectionString = migrationUrl?.reveal() ?? directConnectionString
  const readiness = watchDatabase({ connectionString, migrationConnectionString, migrateOnStart, pooler, lost: () => lost, log })
  undo.push(async () => { await Promise.all([readiness.close(), closePools()]) }) // each waits for a database that is silent
  const app = buildApp({ config, ...keys, ...stored, readiness, log })
  undo.push(async () => { await drain(app, log) })
  await listen(app, config)
  return urlOf(app, config.host)
}

/** Those that were given; in development the others are made and kept. */
async function openKeys ({ sessions, tokens, dataDir }: Config, log: (message: string) => void): Promise<Pick<AppParts, 'authKeys' | 'tokenKeys'>> {
  const authKeys = sessions.authKeys ?? await developmentKeys({ dataDir, log })
  const { signingKeys, refreshKeys } = tokens
  if (signingKeys !== undefined && refreshKeys !== undefined) return { authKeys, tokenKeys: { signingKeys, refreshKeys } }
  const kept = await developmentTokenKeys({ dataDir, log })
  return { authKeys, tokenKeys: { signingKeys: signingKeys ?? kept.signingKeys, refreshKeys: refreshKeys ?? kept.refreshKeys } }
}

type Undo = (() => Promise<unknown>)[]

interface Stores extends Pick<AppParts, 'store' | 'tokenStore' | 'database' | 'pools'> { closePools (): Promise<void> }

/** The stores close with the application, the pools after it. */
function openStores (connectionString: string, listenConnectionString: string, pooler: 'transaction' | undefined): Stores {
  const closing: (() => Promise<void>)[] = []
  const open = (max: number): Pool => {
    const { pool, close } = openPool(connectionString, { max, pooler: pooler !== undefined })
    closing.push(close)
    return pool
  }
  const pools = { service: open(OWN_CONNECTIONS), sessions: open(STORE_CONNECTIONS), tokens: open(STORE_CONNECTIONS) }
  const behind = pooler === undefined ? {} : { pooler }
  return {
    store: new PostgresStore({ pool: pools.sessions, ...behind }),
    tokenStore: new PostgresTokenStore({ pool: pools.tokens, listenConnectionString, ...behind }),
    database: new Database({ pool: pools.service, named: pooler === undefined }),
    pools,
    async closePools () { await Promise.all(closing.map(async (close) => { await close() })) }
  }
}

/** Without Fastify's line for each address: where people go is said by whoever starts the service. */
async function listen (app: FastifyInstance, { host, port, logLevel }: Config): Promise<void> {
  app.log.level = 'silent' // the application's alone: a child of the service's log
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError(error, { host, port })
  } finally {
    app.log.level = logLevel
  }
}

async function inFolder<T> (dataDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw folderError(error, dataDir)
  }
}

type Listeners = Required<Pick<EmbeddedPostgresOptions, 'log' | 'onEnd'>>

async function startDatabase ({ dataDir, isProduction }: Config, listeners: Listeners, undo: Undo): Promise<string> {
  if (isProduction) throw new TypeError('the embedded PostgreSQL is not for production')
  const postgres = await startEmbeddedPostgres({ dataDir, ...listeners })
  undo.push(async () => { await postgres.stop() })
  return postgres.connectionString
}

/** Closes the application: its sessions, the cleanup, what is still to be written. Not a moment longer than the time. */
async function drain (app: FastifyInstance, log: FastifyBaseLogger): Promise<void> {
  const closed = new AbortController()
  const { signal } = closed
  const close = app.close().finally(() => { closed.abort() })
  const isLate = await Promise.race([close.then(() => false), pause(DRAIN_MS, true, { signal }).catch(() => false)])
  if (!isLate) return
  app.server.closeAllConnections()
  log.warn('what was under way did not end in time, and is cut')
  await Promise.race([close, pause(CUT_MS, undefined, { signal }).catch(() => { /* they have ended */ })])
}

function urlOf (app: FastifyInstance, host: string): string {
  const address: AddressInfo | string | null = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const name = isLocal(host) || host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
