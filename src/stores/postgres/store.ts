import type { Pool } from 'pg'
import { oneOf, rejectUnknown, wholeNumber } from '../../core/options.js'
import type { Claims, CleanupOptions, NewSession, SessionChange, SessionRecord, Store } from '../../session/store.js'
import { isProduction } from '../../core/environment.js'
import { batched } from '../batched.js'
import { databaseUrlFault } from './connection-string.js'
import { type TableOptions, tables } from './names.js'
import { PlainPostgresStore } from './plain-store.js'
import { openPool } from './pool.js'
import { Database } from './query.js'

const KNOWN = ['pool', 'connectionString', 'schema', 'tableName', 'pooler', 'max'] as const
const MAX_CONNECTIONS = 10

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
   * prepared and no timeouts of the server are set. Default: a direct connection.
   */
  readonly pooler?: 'transaction'
  /** Connections of the store's own pool at most. Whole, 1–1,000. Default 10. */
  readonly max?: number
}

/**
 * Sessions in PostgreSQL, batched: what is asked for at once shares a round trip.
 *
 * The composition of `PlainPostgresStore`, one statement a method, and `batched`. The tables must exist: see `migrate`.
 */
export class PostgresStore implements Store {
  readonly #store: Store
  readonly #release: () => Promise<void>
  #closed: Promise<void> | undefined

  /** Connects with the first call, not before. @throws TypeError naming the option that is wrong */
  constructor (options: PostgresStoreOptions) {
    const { pool, release, named } = connect(options)
    this.#release = release
    this.#store = batched(new PlainPostgresStore(new Database({ pool, named }), tables(options)))
  }

  create (session: NewSession): Promise<SessionRecord> { return this.#store.create(session) }

  get (id: string): Promise<SessionRecord | null> { return this.#store.get(id) }

  save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    return this.#store.save(id, secretHash, change)
  }

  delete (id: string): Promise<boolean> { return this.#store.delete(id) }

  cleanup (options?: CleanupOptions): Promise<number> { return this.#store.cleanup(options) }

  compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    return this.#store.compareAndSave(id, secretHash, version, change)
  }

  listByUser (userId: string): Promise<SessionRecord[]> { return this.#store.listByUser(userId) }

  deleteByUser (userId: string, options?: { readonly except?: string }): Promise<string[]> {
    return this.#store.deleteByUser(userId, options)
  }

  block (id: string, reason: string): Promise<boolean> { return this.#store.block(id, reason) }

  unblock (id: string): Promise<boolean> { return this.#store.unblock(id) }

  setClaims (userId: string, claims: Claims): Promise<number> { return this.#store.setClaims(userId, claims) }

  /** Lets what is under way finish, then ends the store's own pool; at most some seconds, whatever the server does. Idempotent. */
  close (): Promise<void> {
    this.#closed ??= this.#store.close().then(this.#release)
    return this.#closed
  }
}

interface Connected { readonly pool: Pool, readonly named: boolean, readonly release: () => Promise<void> }

function connect (options: PostgresStoreOptions): Connected {
  rejectUnknown('PostgresStore', options, KNOWN)
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
  const fault = databaseUrlFault(connectionString, isProduction())
  if (fault !== null) throw new TypeError(`"connectionString" option ${fault}`)
  const own = openPool(connectionString, { max: wholeNumber('max', max ?? MAX_CONNECTIONS, { min: 1, max: 1_000 }), pooler: !named })
  return { pool: own.pool, named, release: own.close }
}

/** By its shape: the application's copy of pg may be another than ours. */
function isPool (given: unknown): boolean {
  return typeof given === 'object' && given !== null &&
    'connect' in given && typeof given.connect === 'function' && 'on' in given && typeof given.on === 'function'
}
