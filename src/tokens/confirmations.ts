import { LruMap } from 'toad-cache'
import type { Log } from '../session/http.js'
import type { TokenStore } from './store.js'

/** Sessions whose last confirmed generation is remembered; of one that is forgotten the database is asked once more. */
const REMEMBERED = 10_000

/** Notes that clients have their refresh tokens: at most one write a generation and process. */
export class Confirmations {
  readonly #store: TokenStore
  readonly #log: Log | undefined
  readonly #newest = new LruMap<number>(REMEMBERED)
  readonly #pending = new Set<Promise<void>>()

  constructor (store: TokenStore, log: Log | undefined) {
    this.#store = store
    this.#log = log
  }

  /** Notes without waiting. One that fails is logged, and noted by the next request that calls this. */
  seen (sessionId: string, generation: number): void {
    if ((this.#newest.get(sessionId) ?? 0) >= generation) return
    const pending = this.confirm(sessionId, generation)
      .catch((err: unknown) => { this.#log?.warn({ err, sessionId, generation }, 'the arrival of a token could not be noted; a later request tries again') })
      .finally(() => { this.#pending.delete(pending) })
    this.#pending.add(pending)
  }

  /** Notes, and waits for it. @throws StoreError `ERR_STORE` */
  async confirm (sessionId: string, generation: number): Promise<void> {
    this.#newest.set(sessionId, generation)
    try {
      await this.#store.confirmRefreshToken(sessionId, generation)
    } catch (error) {
      this.forget(sessionId)
      throw error
    }
  }

  /** The lineage has a new generation, whatever was noted of it: after a failover it may be one that was there before. */
  forget (sessionId: string): void {
    this.#newest.delete(sessionId)
  }

  /** Waits for what is under way. */
  async settled (): Promise<void> {
    await Promise.allSettled(this.#pending)
  }
}
