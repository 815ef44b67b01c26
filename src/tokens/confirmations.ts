import { LruMap } from 'toad-cache'
import type { Log } from '../session/http.js'
import type { TokenStore } from './store.js'

/** Sessions of which it is remembered what was noted; of one that is forgotten the database is asked once more. */
const REMEMBERED = 10_000

/** Notes that clients have their refresh tokens: at most one write a generation and process. */
export class Confirmations {
  readonly #store: TokenStore
  readonly #log: Log | undefined
  /** Up to which generation of a session nothing is left to note: the store has said so, whatever callers name. */
  readonly #noted = new LruMap<number>(REMEMBERED)
  /** What is being noted, by session and generation. */
  readonly #pending = new Map<string, Promise<void>>()

  constructor (store: TokenStore, log: Log | undefined) {
    this.#store = store
    this.#log = log
  }

  /** Notes without waiting. One that fails is logged, and noted by the next request that calls this. */
  seen (sessionId: string, generation: number): void {
    if ((this.#noted.get(sessionId) ?? 0) >= generation) return
    const key = `${sessionId} ${generation}`
    if (this.#pending.has(key)) return
    this.#pending.set(key, this.confirm(sessionId, generation)
      .catch((err: unknown) => { this.#log?.warn({ err, sessionId, generation }, 'the arrival of a token could not be noted; a later request tries again') })
      .finally(() => { this.#pending.delete(key) }))
  }

  /** Notes, and waits for it. @throws StoreError `ERR_STORE` */
  async confirm (sessionId: string, generation: number): Promise<void> {
    const newest = await this.#store.confirmRefreshToken(sessionId, generation)
    // what has a successor needs no note; a generation that the lineage has not got may come, and will need one
    if (newest !== null && newest >= generation) this.#noted.set(sessionId, newest === generation ? newest : newest - 1)
  }

  /** The lineage has a new generation, whatever was noted of it: after a failover it may be one that was there before. */
  forget (sessionId: string): void {
    this.#noted.delete(sessionId)
  }

  /** The connection to the database was lost: it may have lost what was noted, too. */
  forgetAll (): void {
    this.#noted.clear()
  }

  /** Waits for what is under way. */
  async settled (): Promise<void> {
    await Promise.allSettled(this.#pending.values())
  }
}
