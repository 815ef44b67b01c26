import type { FastifyBaseLogger } from 'fastify'
import { startTimer } from '../core/timer.js'
import type { RepeatingTimer } from '../core/timer.js'

export interface FlusherOptions {
  readonly everySeconds: number
  /** What is written, for the log. */
  readonly what: string
  /** Writes what has gathered, and keeps what it could not write. */
  readonly write: () => Promise<void>
  /** Whether there is a database to write to. */
  readonly isReady: () => boolean
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn'>
}

/** Writes in the background what gathers in memory: one run at a time, again after a failure, which is logged once. */
export class Flusher {
  readonly #options: FlusherOptions
  readonly #timer: RepeatingTimer
  #run: Promise<void> = Promise.resolve()
  #isFailing = false

  constructor (options: FlusherOptions) {
    this.#options = options
    // what fails is told by the run itself
    this.#timer = startTimer({ everySeconds: options.everySeconds, work: async () => { await this.flush() }, onError: () => {} })
  }

  /** Writes what has gathered before the call. Never rejects: what could not be written is tried again later. */
  async flush (): Promise<void> {
    this.#run = this.#run.then(async () => { await this.#write() })
    await this.#run
  }

  /** Ends the timer, and writes what is left. Nothing is tried again after that. */
  async close (): Promise<void> {
    await this.#timer.stop()
    await this.flush()
  }

  async #write (): Promise<void> {
    const { what, write, isReady, log } = this.#options
    if (!isReady()) return
    try {
      await write()
      if (this.#isFailing) log.info(`${what} can be written again`)
      this.#isFailing = false
    } catch (err) {
      if (!this.#isFailing) log.warn({ err }, `${what} cannot be written; they are kept, a bounded number, and tried again`)
      this.#isFailing = true
    }
  }
}
