import type { Log } from '../session/http.js'

/** A service that starts makes its tables, or waits for its database, meanwhile. */
const FIRST_MS = 3_000

/** Tells in the log when revocations are not heard here, and when they are again: once each, whatever is tried in between. */
export class FeedNews {
  readonly #log: Log | undefined
  #hasBeenWhole = false
  #fault: string | null = null
  /** Tells of a beginning that fails. */
  #later: NodeJS.Timeout | undefined

  constructor (log: Log | undefined) {
    this.#log = log
  }

  /** What was told to be wrong, and what to do if that is known; for people, without secrets. `null`: nothing is. */
  get fault (): string | null { return this.#fault }

  /** At once, unless the feed has not been whole yet: then it may pass by itself, where nothing is to be done. */
  broken (cause?: unknown, advice?: string): void {
    clearTimeout(this.#later)
    if (this.#hasBeenWhole || advice !== undefined) this.#tell(cause, advice)
    else this.#later = setTimeout(() => { this.#tell(cause) }, FIRST_MS).unref()
  }

  whole (): void {
    clearTimeout(this.#later)
    this.#hasBeenWhole = true
    if (this.#fault === null) return
    this.#fault = null
    this.#log?.info({}, 'revocations are heard again')
  }

  /** Nothing more is told. */
  close (): void {
    clearTimeout(this.#later)
  }

  #tell (err: unknown, advice?: string): void {
    this.#fault = `revocations are not heard, and each access token is looked up in the database${advice === undefined ? '' : `: ${advice}`}`
    this.#log?.warn({ err }, this.#fault)
  }
}
