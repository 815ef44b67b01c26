import type { Pool, PoolClient } from 'pg'
import { Deadline } from './deadline.js'
import { codeOf, DeadlineError } from './faults.js'

/** Between a failed attempt to connect and the next, drawn from 50–150 %. */
const PROBE_EVERY_MS = 100
const PROBE_MS = 2_000

/**
 * Hands out the connections of a pool.
 *
 * While the server refuses connections one caller's worth of attempts is made, not one for each that waits: all share
 * the outcome of the next probe (3B-12). A connection that dies while idle never raises an unhandled `error` event.
 */
export class Connections {
  readonly #pool: Pool
  readonly #tally: { readonly made: number }
  #refused = false
  #probing: Promise<void> | undefined

  constructor (pool: Pool) {
    this.#pool = pool
    this.#tally = guard(pool)
  }

  /** How many connections the pool has made since it was first used here. */
  get made (): number { return this.#tally.made }

  /**
   * A connection made after `bornAfter`; older ones that are idle are closed on the way, for they may be as dead as the
   * one that has just failed, and the pool has not noticed yet.
   * @throws DeadlineError; a connection that comes later goes back to the pool unused
   */
  async acquire (deadline: Deadline, bornAfter = -Infinity): Promise<PoolClient> {
    for (;;) {
      if (this.#refused && this.#pool.idleCount === 0) {
        this.#probing ??= this.#probe().finally(() => { this.#probing = undefined })
        await deadline.race(this.#probing)
      }
      const client = await this.#connect(deadline)
      if (bornAfter === -Infinity || (bornAt.get(client) ?? -Infinity) > bornAfter) return client
      client.release(true)
    }
  }

  async #connect (deadline: Deadline): Promise<PoolClient> {
    const coming = this.#pool.connect()
    try {
      const client = await deadline.race(coming)
      this.#refused = false
      return client
    } catch (error) {
      if (error instanceof DeadlineError) coming.then((client) => { client.release() }, () => {})
      // A pool that is merely busy has an error without a code.
      else if (codeOf(error) !== '') this.#refused = true
      throw error
    }
  }

  async #probe (): Promise<void> {
    const deadline = new Deadline(PROBE_MS)
    try {
      await deadline.pause(PROBE_EVERY_MS)
      const client = await this.#connect(deadline)
      client.release()
    } finally {
      deadline.clear()
    }
  }
}

const tallies = new WeakMap<Pool, { made: number }>()
const bornAt = new WeakMap<PoolClient, number>()

/** A connection that dies while idle has left the pool already; the event would end the process (V70). */
function guard (pool: Pool): { readonly made: number } {
  const guarded = tallies.get(pool)
  if (guarded !== undefined) return guarded
  const tally = { made: 0 }
  tallies.set(pool, tally)
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    tally.made++
    bornAt.set(client, performance.now())
  })
  return tally
}
