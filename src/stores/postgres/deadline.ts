import { setTimeout as pause } from 'node:timers/promises'
import { DeadlineError } from './faults.js'

/** One promise of time: everything that is raced against it ends together. */
export class Deadline {
  readonly endsAt: number
  readonly #ms: number
  readonly #expired: Promise<never>
  readonly #reject: (error: Error) => void
  readonly #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  /** @param signal ends the time before it is over */
  constructor (ms: number, signal?: AbortSignal) {
    this.#ms = ms
    this.endsAt = performance.now() + ms
    const { promise, reject } = withRejection()
    this.#expired = promise
    this.#reject = reject
    this.#signal = signal
    if (signal !== undefined) this.#listen(signal)
    watch(this)
  }

  /** Milliseconds that are left; never less than 0. */
  get left (): number {
    return Math.max(0, this.endsAt - performance.now())
  }

  /** The answer of `work`, or a rejection with `DeadlineError` when the time is over first. */
  race<T> (work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#expired])
  }

  /** Waits for a time drawn from 50–150 % of `ms`, so that those who failed together do not try again together. */
  async pause (ms: number): Promise<void> {
    await this.race(pause(ms * (0.5 + Math.random())))
  }

  /** The time is over. */
  expire (): void {
    this.#reject(new DeadlineError(this.#ms))
  }

  clear (): void {
    watched.delete(this)
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  #listen (signal: AbortSignal): void {
    this.#onAbort = () => { this.expire() }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.expire()
  }
}

// One timer serves all, and stays when the deadline it was set for is met: a timer of its own for each, set and cleared,
// costs more than the rest of a deadline.
const watched = new Set<Deadline>()
let timer: NodeJS.Timeout | undefined
let firesAt = Infinity

function watch (deadline: Deadline): void {
  watched.add(deadline)
  if (deadline.endsAt < firesAt) setTimer(deadline.endsAt)
}

function setTimer (at: number): void {
  clearTimeout(timer)
  firesAt = at
  timer = setTimeout(onTimer, at - performance.now()).unref() // what is waited for keeps the process alive, or nothing does
}

function onTimer (): void {
  const now = performance.now()
  const over = [...watched].filter(({ endsAt }) => endsAt <= now)
  // The event loop may have stood still while the answer came in: what is there is read first (3B-22).
  if (over.length > 0) setImmediate(() => setImmediate(() => { for (const deadline of over) if (watched.has(deadline)) deadline.expire() }))
  let next = Infinity
  for (const { endsAt } of watched) if (endsAt > now && endsAt < next) next = endsAt
  firesAt = Infinity
  if (next < Infinity) setTimer(next)
}

function withRejection (): { promise: Promise<never>, reject: (error: Error) => void } {
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<never>((_resolve, reject) => { fail = reject })
  // Nobody may be waiting any more: that is no unhandled rejection.
  promise.catch(() => {})
  return { promise, reject: (error) => { fail(error) } }
}
