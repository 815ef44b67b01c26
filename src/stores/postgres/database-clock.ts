/**
 * What is known here of the database's clock, without asking it.
 *
 * Each answer that says an instant bounds the difference of the two clocks: it was taken after the question and before
 * the answer. The estimate is moved into those bounds and no farther, so that a slow answer does not spoil it. The
 * machine's clock is read once, for the time before the first answer; who sets it later changes nothing.
 */
export class DatabaseClock {
  /** Milliseconds from this process's steady clock to the database's. */
  #ahead = Date.now() - performance.now()

  /** Milliseconds since 1970. */
  now (): number {
    return performance.now() + this.#ahead
  }

  /**
   * @param instant milliseconds since 1970 that the database said, cut to whole ones
   * @param askedAt `performance.now()` before the question
   * @param answeredAt the same after the answer
   */
  learn (instant: number, askedAt: number, answeredAt = performance.now()): void {
    this.#ahead = Math.max(instant - answeredAt, Math.min(instant + 1 - askedAt, this.#ahead))
  }
}
