import { rejectUnknown, show, wholeNumber } from '../core/options.js'
import { checkStore } from '../session/check-store.js'
import type { Claims, CleanupOptions, CreatedRecord, NewSession, SessionChange, SessionRecord, Store } from '../session/store.js'
import type { Reader } from './bulk-store.js'
import { SessionCache } from './cache/session-cache.js'
import type { ChangeSink, ChangeWatch, WatchedStore } from './change-watch.js'
import { tellCache } from './measures.js'

const KNOWN = ['maxStalenessMs', 'maxEntries']
const MAX_STALENESS_MS = 1_000
const MAX_ENTRIES = 10_000
/** What was told is known at least so often, and four times within the bound. */
const LONGEST_BEAT_MS = 500

export interface CachedOptions {
  /**
   * A change that another process makes is seen here after so many milliseconds at the latest, also when nothing can be
   * heard of it; usually at once. Whole, 100–60,000. Default 1,000.
   */
  readonly maxStalenessMs?: number
  /** Sessions kept at most; beyond them those that were not used lately go. Whole, 1–1,000,000. Default 10,000. */
  readonly maxEntries?: number
}

/**
 * A store that keeps the sessions it has loaded in memory, and hears from the storage what others change.
 *
 * `get` may miss what others did within `maxStalenessMs`; what was done through this store it sees at once. Everything
 * else passes through. While nothing can be heard, so does `get`.
 * @throws TypeError naming the option that is wrong, or what the store cannot do
 */
export function cached (store: WatchedStore, options: CachedOptions = {}): Store {
  rejectUnknown('cached', options, KNOWN)
  const { maxStalenessMs = MAX_STALENESS_MS, maxEntries = MAX_ENTRIES } = options
  wholeNumber('maxStalenessMs', maxStalenessMs, { min: 100, max: 60_000 })
  wholeNumber('maxEntries', maxEntries, { min: 1, max: 1_000_000 })
  checkStore(store)
  if (typeof Reflect.get(store, 'watchChanges') !== 'function') {
    throw new TypeError(`"store" must tell of changes, as PostgresStore does: ${show(store.constructor.name)} has no method "watchChanges"`)
  }
  return new CachedStore(store, { maxStalenessMs, maxEntries })
}

/** What `cached` makes. The clock is a steady one, that of `performance.now()`. */
export class CachedStore implements Store {
  readonly #store: WatchedStore
  readonly #maxStalenessMs: number
  readonly #clock: () => number
  readonly #cache: SessionCache
  readonly #watch: ChangeWatch
  #isWhole = false
  #closed: Promise<void> | undefined

  constructor (store: WatchedStore, { maxStalenessMs, maxEntries, clock = () => performance.now() }: Required<CachedOptions> & { readonly clock?: () => number }) {
    this.#store = store
    this.#maxStalenessMs = maxStalenessMs
    this.#clock = clock
    this.#cache = new SessionCache(maxEntries)
    this.#watch = store.watchChanges(this.#sink(), { everyMs: Math.min(LONGEST_BEAT_MS, maxStalenessMs / 4) })
  }

  /** Sessions kept. */
  get size (): number { return this.#cache.size }

  /** What was committed before this instant of the steady clock is known here. `-Infinity`: nothing can be heard. */
  get wholeAt (): number { return this.#watch.wholeAt }

  get (id: string): Promise<SessionRecord | null> { return this.#load(id, 'copy') }

  view (id: string): Promise<SessionRecord | null> {
    // whoever has overridden or patched `get` is to see every load
    return this.get === GET ? this.#load(id, 'view') : this.get(id)
  }

  async create (session: NewSession): Promise<CreatedRecord> {
    const { id, userId, replaces, atMost } = session
    const forget = (): void => {
      if (replaces !== undefined) this.#cache.drop(replaces.id)
      if (userId !== null && atMost !== undefined) this.#cache.dropUser(userId)
    }
    return await this.#around(forget, () => this.#bring(id, () => this.#store.create(session)))
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    return await this.#bring(id, () => this.#store.save(id, secretHash, change))
  }

  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    return await this.#bring(id, () => this.#store.compareAndSave(id, secretHash, version, change))
  }

  async delete (id: string, secretHash?: Uint8Array): Promise<boolean> {
    return await this.#around(() => { this.#cache.drop(id) }, () => this.#store.delete(id, secretHash))
  }

  async block (id: string, reason: string): Promise<boolean> {
    return await this.#around(() => { this.#cache.drop(id) }, () => this.#store.block(id, reason))
  }

  async unblock (id: string): Promise<boolean> {
    return await this.#around(() => { this.#cache.drop(id) }, () => this.#store.unblock(id))
  }

  async deleteByUser (userId: string, options?: { readonly except?: string }): Promise<string[]> {
    return await this.#around(() => { this.#cache.dropUser(userId) }, () => this.#store.deleteByUser(userId, options))
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    return await this.#around(() => { this.#cache.dropUser(userId) }, () => this.#store.setClaims(userId, claims))
  }

  listByUser (userId: string): Promise<SessionRecord[]> { return this.#store.listByUser(userId) }

  cleanup (options?: CleanupOptions): Promise<number> { return this.#store.cleanup(options) }

  /** Ends the watch, then closes the store. Idempotent. */
  close (): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  #load (id: string, use: keyof Reader): Promise<SessionRecord | null> {
    const now = this.#clock()
    const record = now - this.#watch.wholeAt < this.#maxStalenessMs ? this.#cache.find(id, now, use) : null
    tellCache(record === null ? 'miss' : 'hit')
    return record === null ? this.#bring(id, () => this.#store.get(id)) : Promise.resolve(record)
  }

  /** A call that brings the session as it then is. Where it brings another, or none, what is kept is wrong. */
  async #bring<T extends SessionRecord | 'conflict' | null> (id: string, call: () => Promise<T>): Promise<T> {
    const visit = this.#cache.visit(id, this.#clock())
    const isTold = this.#isWhole
    let found: SessionRecord | 'conflict' | null = null
    try {
      const answer = await call()
      found = answer
      return answer
    } finally {
      if (found === null || found === 'conflict' || found.id !== id) this.#cache.drop(id)
      else {
        this.#cache.drop(id, found.version)
        if (isTold) visit.keep(found)
      }
      visit.end()
    }
  }

  /** Forgets before, and again what was loaded meanwhile. */
  async #around<T> (forget: () => void, call: () => Promise<T>): Promise<T> {
    forget()
    try {
      return await call()
    } finally {
      forget()
    }
  }

  async #end (): Promise<void> {
    this.#isWhole = false
    this.#cache.clear()
    await this.#watch.close()
    await this.#store.close()
  }

  #sink (): ChangeSink {
    return {
      whole: () => {
        this.#isWhole = true
        tellCache('whole')
      },
      changed: (id, version) => {
        if (id === null) this.#cache.clear()
        else this.#cache.drop(id, version)
      },
      broken: (cause) => {
        this.#isWhole = false
        this.#cache.clear()
        tellCache('broken', cause)
      }
    }
  }
}

const GET = CachedStore.prototype.get
