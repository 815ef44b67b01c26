import { availableParallelism } from 'node:os'
import { RequestError } from '../../plugins/problems.js'
import { readThreads } from '../config/threads.js'

/** How many hashes run and wait at once. */
export interface HashQueueOptions {
  /** Default: the cores, but two threads less than libuv has: DNS lookups of the driver need one, too. */
  readonly permits?: number
  /** Default 32. */
  readonly queue?: number
  /** Default 2,000. */
  readonly waitMs?: number
}

interface Waiter { readonly start: () => void }

/**
 * Runs so many hashes at once and no more: each takes 19 MiB and a thread. Those beyond wait in order, a bounded number
 * for a bounded time. A permit is given back when the hash has finished, not when its client has left.
 *
 * What asks a database besides takes its place first, by `admit`: else a flood would send the queries of hashes that are
 * refused.
 */
export class HashQueue {
  readonly #queue: number
  readonly #waitMs: number
  readonly #waiting = new Set<Waiter>()
  #free: number
  #places: number

  constructor ({ permits = defaultPermits(), queue = 32, waitMs = 2_000 }: HashQueueOptions = {}) {
    this.#free = permits
    this.#places = permits + queue
    this.#queue = queue
    this.#waitMs = waitMs
  }

  /**
   * Runs work that comes to hash, one hash after the other.
   *
   * @throws RequestError 503 `ERR_BUSY` when as many are at it as may run and wait; nothing was run
   */
  async admit<T> (work: () => Promise<T>): Promise<T> {
    if (this.#places === 0) throw busy()
    this.#places--
    try {
      return await work()
    } finally {
      this.#places++
    }
  }

  /** @throws RequestError 503 `ERR_BUSY` when too many wait, or after the wait; nothing was run */
  async run<T> (work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await work()
    } finally {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else next.start()
    }
  }

  /** Resolves when a permit was handed over. */
  async #wait (): Promise<void> {
    if (this.#waiting.size >= this.#queue) throw busy()
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => { clearTimeout(timer); this.#waiting.delete(waiter) }
      const waiter: Waiter = { start: () => { leave(); resolve() } }
      const timer = setTimeout(() => { leave(); reject(busy()) }, this.#waitMs)
      this.#waiting.add(waiter)
    })
  }
}

const defaultPermits = (): number => Math.max(1, Math.min(availableParallelism(), readThreads() - 2))

const busy = (): RequestError => new RequestError(503, 'ERR_BUSY', 'too many sign-ins at this moment; try again', undefined, { 'retry-after': '2' })
