import { inThousands, print } from './terminal.js'
import type { Screen } from './terminal.js'

export interface ProgressOptions {
  readonly screen: Screen
  /** What is being done. */
  readonly label: string
  /** `null`: not known. */
  readonly total: number | null
  /** Milliseconds of a clock that only runs forward. Default: the process's. */
  readonly now?: () => number
}

/** Often enough for an eye, and for a log. */
const REDRAW_MS = 100
const LINE_MS = 10_000
const LONGEST_BAR = 24
const SHORTEST_BAR = 4
/** Where a terminal does not say how wide it is. */
const COLUMNS = 80
const CLEAR = '\r\u{1b}[K'

/** Shows how far long work has come, with rate and estimated time: a bar on a terminal, now and then a line elsewhere. */
export class Progress {
  readonly #screen: Screen
  readonly #label: string
  readonly #total: number | null
  readonly #now: () => number
  readonly #startedAt: number
  #shownAt: number

  constructor ({ screen, label, total, now = () => performance.now() }: ProgressOptions) {
    this.#screen = screen
    this.#label = label
    this.#total = total
    this.#now = now
    this.#startedAt = this.#shownAt = now()
  }

  /** So many are done. */
  update (done: number): void {
    const now = this.#now()
    if (now - this.#shownAt < (this.#isBar ? REDRAW_MS : LINE_MS)) return
    this.#shownAt = now
    this.#show(done)
  }

  /** Shows the last state and leaves the line. */
  end (done: number): void {
    this.#show(done)
    if (this.#isBar) this.#screen.write('\n')
  }

  get #isBar (): boolean { return this.#screen.isTTY === true }

  #show (done: number): void {
    const facts = this.#factsOf(done)
    if (!this.#isBar) print(this.#screen, `${this.#label}: ${facts}`)
    else this.#screen.write(`${CLEAR}${this.#withBar(done, facts)}`)
  }

  /** What is left of the line is the bar's. */
  #withBar (done: number, facts: string): string {
    const room = (this.#screen.columns || COLUMNS) - 1
    const cells = Math.min(LONGEST_BAR, room - this.#label.length - facts.length - ' [] '.length)
    const bar = this.#total === null || cells < SHORTEST_BAR ? '' : `[${'#'.repeat(Math.floor(this.#share(done) * cells)).padEnd(cells, '-')}] `
    return `${this.#label} ${bar}${facts}`.slice(0, room)
  }

  #factsOf (done: number): string {
    const seconds = (this.#now() - this.#startedAt) / 1000
    const rate = seconds > 0 ? done / seconds : 0
    const pace = `${inThousands(Math.round(rate))} rows/s`
    if (this.#total === null) return `${inThousands(done)} rows, ${pace}`
    const share = this.#share(done)
    const rest = share === 1 || rate === 0 ? '' : `, ETA ${duration((this.#total - done) / rate)}`
    return `${Math.floor(share * 100)}% ${inThousands(done)} of ${inThousands(Math.max(done, this.#total))}, ${pace}${rest}`
  }

  #share (done: number): number {
    return this.#total === null || this.#total === 0 ? 1 : Math.min(1, done / this.#total)
  }
}

/** In the two largest units. */
export function duration (seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor(whole % 3_600 / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor(whole % 86_400 / 3_600)} h`
}
