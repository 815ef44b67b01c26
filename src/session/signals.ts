import type { Store } from './store.js'

interface Watch {
  /** Of the session. */
  id: string
  readonly controller: AbortController
  timer: NodeJS.Timeout | undefined
}

const LONGEST_WAIT_MS = 2 ** 31 - 1
const REASONS = { ended: 'the session ended', blocked: 'the session was blocked', expired: 'the session ended or expired' } as const
/** After a failed look at the store. */
const RETRY_MS = 5_000

/**
 * The abort signals of sessions that requests have asked for: fired when a session of this process's manager ends, is
 * blocked or expires.
 */
export class Signals {
  readonly #store: Store
  readonly #watches = new Map<string, Set<Watch>>()
  /** How often a session is being renewed now, and whether the end of its id was told meanwhile. */
  readonly #renewals = new Map<string, { count: number, isEnded: boolean }>()

  constructor (store: Store) {
    this.#store = store
  }

  /**
   * A signal for a session, and the function that forgets it when the connection is over.
   *
   * Asks the store once: the session may have ended since its request has loaded it.
   */
  watch (id: string): { signal: AbortSignal, release: () => void } {
    const watch: Watch = { id, controller: new AbortController(), timer: undefined }
    const watches = this.#watches.get(id) ?? new Set()
    this.#watches.set(id, watches.add(watch))
    void this.#look(watch)
    return { signal: watch.controller.signal, release: () => { this.#forget(watch) } }
  }

  /** Fires the signals of a session. */
  fire (id: string, reason: keyof typeof REASONS): void {
    for (const watch of this.#watches.get(id) ?? []) {
      this.#forget(watch)
      watch.controller.abort(new DOMException(REASONS[reason], 'AbortError'))
    }
  }

  /**
   * Takes what was told from elsewhere of a session, or of all (`null`). Where something has changed the store is asked
   * whether the session still lives. While it is being renewed here, its end may be no more than that of its old id.
   */
  noteRevoked (id: string | null, kind: 'ended' | 'blocked' | 'changed'): void {
    const renewal = id === null ? undefined : this.#renewals.get(id)
    if (id === null || kind === 'changed') this.#check(id)
    else if (kind === 'ended' && renewal !== undefined) renewal.isEnded = true
    else this.fire(id, kind)
  }

  /** Runs what may give the session another id; its signals follow it there. */
  async following<T extends { readonly id: string }> (id: string, renew: () => Promise<T>): Promise<T> {
    const renewal = this.#renewals.get(id) ?? { count: 0, isEnded: false }
    this.#renewals.set(id, renewal)
    renewal.count++
    try {
      const renewed = await renew()
      this.#rename(id, renewed.id)
      return renewed
    } finally {
      renewal.count--
      if (renewal.count === 0) {
        this.#renewals.delete(id)
        if (renewal.isEnded) this.fire(id, 'ended')
      }
    }
  }

  /** Stops all timers. */
  close (): void {
    for (const watches of this.#watches.values()) {
      for (const watch of watches) this.#forget(watch)
    }
  }

  #check (id: string | null): void {
    const watches = id === null ? [...this.#watches.values()].flatMap((watches) => [...watches]) : this.#watches.get(id) ?? []
    for (const watch of watches) void this.#look(watch)
  }

  #rename (from: string, to: string): void {
    const watches = this.#watches.get(from)
    if (watches === undefined || from === to) return
    this.#watches.delete(from)
    this.#watches.set(to, new Set([...this.#watches.get(to) ?? [], ...watches]))
    for (const watch of watches) watch.id = to
  }

  #arm (watch: Watch, ms: number): void {
    watch.timer = setTimeout(() => { void this.#look(watch) }, Math.min(Math.max(ms, 1), LONGEST_WAIT_MS)).unref()
  }

  /** The session may have been used meanwhile: the store knows. */
  async #look (watch: Watch): Promise<void> {
    const { id } = watch
    clearTimeout(watch.timer)
    let wait = RETRY_MS
    try {
      const record = await this.#store.get(id)
      if (record === null && watch.id === id && !this.#renewals.has(id)) {
        this.fire(id, 'expired')
        return
      }
      if (record !== null) wait = record.expiresAt.getTime() - record.readAt.getTime()
    } catch {
      // the storage is away: a later look will tell
    }
    clearTimeout(watch.timer)
    if (this.#watches.get(watch.id)?.has(watch) === true) this.#arm(watch, wait)
  }

  #forget (watch: Watch): void {
    clearTimeout(watch.timer)
    const watches = this.#watches.get(watch.id)
    watches?.delete(watch)
    if (watches?.size === 0) this.#watches.delete(watch.id)
  }
}
