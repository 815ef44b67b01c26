import { setTimeout as pause } from 'node:timers/promises'
import { DeadlineError } from './faults.js'

/** One promise of time: everything that is raced against it ends together. */
export class Deadline {
  readonly #expired: Promise<never>
  readonly #endsAt: number
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void

  /** @param signal ends the time before it is over */
  constructor (ms: number, signal?: AbortSignal) {
    this.#endsAt = performance.now() + ms
    const { promise, reject } = withRejection()
    this.#expired = promise
    this.#timer = setTimeout(() => {
      // The event loop may have stood still while the answer came in: what is there is read first (3B-22).
      setImmediate(() => setImmediate(() => { reject(new DeadlineError(ms)) }))
    }, ms)
    this.#signal = signal
    this.#onAbort = () => { reject(new DeadlineError(ms)) }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#onAbort()
  }

  /** Milliseconds that are left; never less than 0. */
  get left (): number {
    return Math.max(0, this.#endsAt - performance.now())
  }

  /** The answer of `work`, or a rejection with `DeadlineError` when the time is over first. */
  async race<T> (work: Promise<T>): Promise<T> {
    return await Promise.race([work, this.#expired])
  }

  /** Waits for a time drawn from 50–150 % of `ms`, so that those who failed together do not try again together. */
  async pause (ms: number): Promise<void> {
    await this.race(pause(ms * (0.5 + Math.random())))
  }

  clear (): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function withRejection (): { promise: Promise<never>, reject: (error: Error) => void } {
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<never>((_resolve, reject) => { fail = reject })
  // Nobody may be waiting any more: that is no unhandled rejection.
  promise.catch(() => {})
  return { promise, reject: (error) => { fail(error) } }
}
