/** Every write begins in the next microtask: what is said of the session until then is a part of it. */
const READY = Promise.resolve()

/** The writes of one request's session: one after the other, and known while they are under way. */
export class Writes {
  // most requests write nothing: what they do not need is not made
  #last: Promise<unknown> | null = null
  #pending: Set<Promise<unknown>> | null = null

  get isBusy (): boolean { return this.#pending !== null && this.#pending.size > 0 }

  /** Begins `work` when all before it have ended, however they did. */
  inTurn<T> (work: () => Promise<T>): Promise<T> {
    const done = this.track((this.#last ?? READY).then(work, work))
    this.#last = done
    return done
  }

  /** Counts work that takes no turn as under way. */
  track<T> (work: Promise<T>): Promise<T> {
    const pending = this.#pending ??= new Set()
    const end = (): void => { pending.delete(work) }
    pending.add(work)
    work.then(end, end) // a failure is told to whoever asked for that write
    return work
  }

  /** Waits for those that have a turn, however they end. */
  async turnsOver (): Promise<void> {
    await Promise.allSettled([this.#last])
  }

  /** Waits for all that is under way, however it ends: whoever asked for it is told. */
  async settled (): Promise<void> {
    await Promise.allSettled(this.#pending ?? [])
  }
}
