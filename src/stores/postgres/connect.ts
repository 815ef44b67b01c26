import type { ClientConfig, Pool } from 'pg'
import { isProduction } from '../../core/environment.js'
import { oneOf, rejectUnknown, wholeNumber } from '../../core/options.js'
import { databaseUrlFault } from './connection-string.js'
import type { TableOptions } from './names.js'
import { openPool } from './pool.js'

const KNOWN = ['pool', 'connectionString', 'schema', 'tableName', 'pooler', 'max', 'listenConnectionString']
const MAX_CONNECTIONS = 10

/** What every store on PostgreSQL can be told. */
export interface PostgresStoreOptions extends TableOptions {
  /**
   * The application's own `pg.Pool`; the store never closes it. Give its connections `statement_timeout` and
   * `lock_timeout`: of the timeouts only the client's deadline of 2.5 s is the store's own. One of `pool` and
   * `connectionString` is required.
   */
  readonly pool?: Pool
  /** Where to connect, with a pool of the store's own. */
  readonly connectionString?: string | undefined
  /**
   * `'transaction'`: the connection leads through a pooler in transaction mode (PgBouncer). Statements are not
   * prepared, no timeouts of the server are set, and no record is kept for `view`, for a pooler may go over to another server
   * unseen. Required there, also where the pooler knows of prepared statements. Default: connections of which each leads to one
   * server, the same for all until one is made anew.
   */
  readonly pooler?: 'transaction'
  /** Connections of the store's own pool at most. Whole, 1–1,000. Default 10. */
  readonly max?: number
  /**
   * A direct connection, for LISTEN, where the other leads through a pooler in transaction mode: for `cached`. Default:
   * connects as `pool` or `connectionString` says.
   */
  readonly listenConnectionString?: string | undefined
}

/** The pool of a store. */
export interface Connected {
  readonly pool: Pool
  /** Whether statements are prepared under their names. */
  readonly named: boolean
  /** Closes the pool if it is the store's own. */
  readonly release: () => Promise<void>
}

/**
 * Checks a store's options, and finds or opens its pool; no connection yet.
 *
 * @param what the store, for messages
 * @throws TypeError naming the option that is wrong
 */
export function connect (what: string, options: PostgresStoreOptions): Connected {
  rejectUnknown(what, options, KNOWN)
  const { pool, connectionString, pooler, max } = options
  if (pooler !== undefined) oneOf('pooler', pooler, ['transaction'])
  const named = pooler === undefined
  if (pool !== undefined) {
    if (connectionString !== undefined) throw new TypeError('of the options "pool" and "connectionString" only one can be given')
    if (max !== undefined) throw new TypeError('"max" option belongs to "connectionString": a given pool has its own')
    if (!isPool(pool)) throw new TypeError('"pool" option must be a Pool of pg')
    return { pool, named, release: async () => {} }
  }
  if (typeof connectionString !== 'string' || connectionString === '') {
    throw new TypeError('"pool" or "connectionString" option is required; "connectionString" must be text')
  }
  checkUrl('connectionString', connectionString)
  const own = openPool(connectionString, { max: wholeNumber('max', max ?? MAX_CONNECTIONS, { min: 1, max: 1_000 }), pooler: !named })
  return { pool: own.pool, named, release: own.close }
}

/** How to connect for LISTEN; `null`: there is no direct connection. @throws TypeError naming the option that is wrong */
export function listenConfig ({ pool, connectionString, pooler, listenConnectionString }: PostgresStoreOptions): ClientConfig | null {
  if (listenConnectionString !== undefined) {
    if (typeof listenConnectionString !== 'string' || listenConnectionString === '') throw new TypeError('"listenConnectionString" option must be a connection string')
    checkUrl('listenConnectionString', listenConnectionString)
    return { connectionString: listenConnectionString }
  }
  if (pooler !== undefined) return null
  // A pool hides its password from those who list its options.
  return pool === undefined ? { connectionString } : { ...pool.options, password: pool.options.password }
}

/** @throws TypeError naming the option, and showing nothing of it */
export function checkUrl (option: string, url: string): void {
  const fault = databaseUrlFault(url, isProduction())
  if (fault !== null) throw new TypeError(`"${option}" option ${fault}`)
}

/** By its shape: the application's copy of pg may be another than ours. */
function isPool (given: unknown): boolean {
  return typeof given === 'object' && given !== null &&
    'connect' in given && typeof given.connect === 'function' && 'on' in given && typeof given.on === 'function'
}
