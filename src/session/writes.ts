/** The writes of one request's session: one after the other, and known while they are under way. */
export class Writes {
  #last: Promise<unknown> = Promise.resolve()
  readonly #pending = new Set<Promise<unknown>>()

  get isBusy (): boolean { return this.#pending.size > 0 }

  /** Begins `work` when all before it have ended, however they did. */
  async inTurn<T> (work: () => Promise<T>): Promise<T> {
    const done = this.track(this.#last.then(work))
    this.#last = done.catch(() => { /* told to whoever asked for that write */ })
    return await done
  }

  /** Counts work that takes no turn as under way. */
  async track<T> (work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => { this.#pending.delete(tracked) })
    this.#pending.add(tracked)
    return await tracked
  }

  /** Waits for those that have a turn. */
  async turnsOver (): Promise<void> {
    await this.#last
  }

  /** Waits for all that is under way, however it ends: whoever asked for it is told. */
  async settled (): Promise<void> {
    await Promise.allSettled(this.#pending)
  }
}
