/** Clocks drift by less between two answers. */
const STEP_MS = 500

/** Whether the server's clock and the steady one here still go alike: either is set, or stands still, at times. */
export class ClockSteps {
  /** By how much the server's was ahead when that was learned; `undefined`: not yet. */
  #ahead: number | undefined
  /** By how much that may be wrong. */
  #error = 0

  /**
   * Whether one of them has stepped since that was asked last. What is less than half a second, or than the answers took, goes unnoticed.
   *
   * @param at of the server's clock, in milliseconds
   * @param askedAt of the steady clock, as `answeredAt`: `at` was between them
   */
  hasStepped (at: number, askedAt: number, answeredAt: number): boolean {
    const [ahead, error] = [at - (askedAt + answeredAt) / 2, (answeredAt - askedAt) / 2]
    const isFirst = this.#ahead === undefined
    const stepped = Math.abs(ahead - (this.#ahead ?? ahead)) > STEP_MS + error + this.#error
    if (isFirst || stepped) [this.#ahead, this.#error] = [ahead, error]
    return stepped
  }
}
