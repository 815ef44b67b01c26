/** The writes of one request's session: one after the other, and known while they are under way. */
export class Writes {
  // most requests write nothing: what they do not need is not made
  #last: Promise<unknown> | null = null
  #pending: Set<Promise<unknown>> | null = null

  get isBusy (): boolean { return this.#pending !== null && this.#pending.size > 0 }

  /** Begins `work` when all before it have ended, however they did. */
  async inTurn<T> (work: () => Promise<T>): Promise<T> {
    const done = this.track((this.#last ?? Promise.resolve()).then(work))
    this.#last = done.catch(() => { /* told to whoever asked for that write */ })
    return await done
  }

  /** Counts work that takes no turn as under way. */
  async track<T> (work: Promise<T>): Promise<T> {
    const pending = this.#pending ??= new Set()
    const tracked = work.finally(() => { pending.delete(tracked) })
    pending.add(tracked)
    return await tracked
  }

  /** Waits for those that have a turn. */
  async turnsOver (): Promise<void> {
    await this.#last
  }

  /** Waits for all that is under way, however it ends: whoever asked for it is told. */
  async settled (): Promise<void> {
    await Promise.allSettled(this.#pending ?? [])
  }
}
