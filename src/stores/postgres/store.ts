import type pg from 'pg'
import type { Claims, CleanupOptions, CreatedRecord, NewSession, PlainChange, SaveNews, SessionChange, SessionRecord } from '../../session/store.js'
import { batched, type BatchedStore } from '../batched.js'
import type { ChangeSink, ChangeWatch, WatchedStore, WatchOptions } from '../change-watch.js'
import { ChangeFeed } from './change-feed.js'
import { connect, listenConfig, type PostgresStoreOptions } from './connect.js'
import { type Tables, tables } from './names.js'
import { PlainPostgresStore } from './plain-store.js'
import { Database } from './query.js'
import { RecentRecords } from './recent-records.js'
import { SameDatabase } from './same-database.js'

export type { PostgresStoreOptions } from './connect.js'

/**
 * Sessions in PostgreSQL, batched: what is asked for at once shares a round trip.
 *
 * The composition of `PlainPostgresStore`, one statement a method, and `batched`. The tables must exist: see `migrate`.
 *
 * `view` asks the server each time, and so sees what was committed before the call, as `get` does. Of a session that it has
 * found the same twice it keeps the record for a minute at most, and is told no more than that its row is still that one (xmin):
 * up to 10,000 sessions, those apart that would take more than about 4 KiB of memory: some 20 MB as sessions are. Not behind
 * a pooler, and not across connections that were made since: transactions are numbered by each server for itself.
 */
export class PostgresStore implements WatchedStore {
  readonly #store: BatchedStore
  readonly #database: Database
  readonly #tables: Tables
  /** `null`: there is no direct connection. */
  readonly #listenConfig: pg.ClientConfig | null
  readonly #listensElsewhere: boolean
  readonly #feeds = new Set<ChangeFeed>()
  readonly #release: () => Promise<void>
  #closed: Promise<void> | undefined

  /** Connects with the first call, not before. @throws TypeError naming the option that is wrong */
  constructor (options: PostgresStoreOptions) {
    const { pool, release, named } = connect('PostgresStore', options)
    this.#listenConfig = listenConfig(options)
    this.#listensElsewhere = options.listenConnectionString !== undefined
    this.#release = release
    this.#tables = tables(options)
    this.#database = new Database({ pool, named })
    this.#store = batched(new PlainPostgresStore(this.#database, this.#tables, named ? new RecentRecords() : null))
  }

  create (session: NewSession): Promise<CreatedRecord> { return this.#store.create(session) }

  get (id: string): Promise<SessionRecord | null> { return this.#store.get(id) }

  view (id: string): Promise<SessionRecord | null> {
    // whoever has overridden or patched `get` is to see every load
    return this.get === GET ? this.#store.view(id) : this.get(id)
  }

  save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    return this.#store.save(id, secretHash, change)
  }

  saveSeen (seen: SessionRecord, change: PlainChange): Promise<SessionRecord | SaveNews | null> {
    // whoever has overridden or patched `save` is to see every save
    return this.save === SAVE ? this.#store.saveSeen(seen, change) : this.save(seen.id, seen.secretHash, change)
  }

  delete (id: string, secretHash?: Uint8Array): Promise<boolean> { return this.#store.delete(id, secretHash) }

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

  /**
   * Begins to connect. While a watch lasts, whoever changes a session announces it, on every node.
   *
   * @throws TypeError where the connection leads through a pooler and no direct one is given
   */
  watchChanges (sink: ChangeSink, { everyMs }: WatchOptions): ChangeWatch {
    if (this.#listenConfig === null) throw new TypeError('changes cannot be heard through a pooler in transaction mode: give the option "listenConnectionString", a direct connection')
    if (this.#closed !== undefined) {
      sink.broken(new Error('the store is closed'))
      return { wholeAt: -Infinity, close: async () => {} }
    }
    const sameDatabase = this.#listensElsewhere ? new SameDatabase({ ask: (statement, budgetMs) => this.#database.read(statement, budgetMs), everyMs }) : undefined
    const feed = new ChangeFeed({ config: this.#listenConfig, tables: this.#tables, sink, everyMs, sameDatabase })
    this.#feeds.add(feed)
    return {
      get wholeAt () { return feed.wholeAt },
      close: async () => {
        this.#feeds.delete(feed)
        await feed.close()
      }
    }
  }

  /** Ends its watches, lets what is under way finish, then ends the store's own pool; at most some seconds, whatever the server does. Idempotent. */
  close (): Promise<void> {
    this.#closed ??= Promise.all([...this.#feeds].map((feed) => feed.close())).then(() => this.#store.close()).then(this.#release)
    return this.#closed
  }
}

const GET = PostgresStore.prototype.get
const SAVE = PostgresStore.prototype.save
