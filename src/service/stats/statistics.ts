import type { FastifyBaseLogger } from 'fastify'
import { startTimer } from '../../core/timer.js'
import type { RepeatingTimer } from '../../core/timer.js'
import { setTimeouts } from '../../stores/postgres/bulk-statements.js'
import type { Database } from '../../stores/postgres/query.js'
import { TABLES } from '../database/tables.js'
import { Flusher } from '../flusher.js'
import { pointsOf, toSeries } from './series.js'
import type { CounterName, Series, Span } from './series.js'
import * as statements from './statements.js'

export interface StatisticsOptions {
  readonly database: Database
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn'>
  /** Whether the database was reached once. Default: always. */
  readonly isReady?: () => boolean
  /** The clock by which counts gather, milliseconds that only grow. Default: that of the process. */
  readonly now?: () => number
}

const FLUSH_SECONDS = 5
/** Between two looks at whether the sessions of these five minutes were counted. */
const SAMPLE_SECONDS = 60
const MINUTE_MS = 60_000
/** Counts that cannot be written are kept for so long. */
const MOST_MINUTES = 60
const SAMPLE_BUDGET_MS = 20_000
const STATEMENT_MS = 15_000
const BATCH = 5_000

/**
 * Counts over time, of all nodes together, in the table `stats`.
 *
 * `count` never waits and never fails: counts gather in memory and are written every five seconds. While they cannot be,
 * those of the last hour are kept. A connection that is lost meanwhile may count them twice: they are for plots.
 */
export class Statistics {
  readonly #database: Database
  readonly #now: () => number
  readonly #flusher: Flusher
  /** By minute of the clock, then by name. */
  readonly #waiting = new Map<number, Map<string, number>>()
  readonly #sampling: RepeatingTimer
  #canSample = true
  #live: number | null = null

  /** Starts to write every five seconds; `close` ends it. */
  constructor ({ database, log, isReady = () => true, now = () => performance.now() }: StatisticsOptions) {
    this.#database = database
    this.#now = now
    const onError = (err: unknown): void => {
      if (this.#canSample) log.warn({ err }, 'live sessions cannot be counted; it is tried again')
      this.#canSample = false
    }
    this.#sampling = startTimer({ everySeconds: SAMPLE_SECONDS, work: async (signal) => { if (isReady()) await this.sample(signal) }, onError })
    this.#flusher = new Flusher({ everySeconds: FLUSH_SECONDS, what: 'statistics', write: async () => { await this.#write() }, isReady, log })
  }

  /** How many sessions had not expired when they were last counted, by whichever node; `null`: not known yet. */
  get live (): number | null { return this.#live }

  count (name: CounterName, by = 1): void {
    const minute = Math.floor(this.#now() / MINUTE_MS)
    const counts = this.#waiting.get(minute) ?? new Map<string, number>()
    this.#waiting.set(minute, counts.set(name, (counts.get(name) ?? 0) + by))
    for (const old of this.#waiting.keys()) {
      if (old > minute - MOST_MINUTES) break
      this.#waiting.delete(old)
    }
  }

  /** Values over time. @throws RangeError for a span that cannot be drawn, see `pointsOf`; StoreError */
  async read (span: Span): Promise<Series> {
    const [first = 0] = pointsOf(span)
    await this.flush()
    const rows = await this.#database.read(statements.readStats(first / 1000, span.to.getTime() / 1000, span.step))
    return toSeries(span, rows.map((row) => ({ name: String(row['name']), at: Number(row['at']), value: Number(row['value']) })))
  }

  /** Counts the sessions that have not expired, unless a node has done so in these five minutes. @throws StoreError */
  async sample (signal?: AbortSignal): Promise<void> {
    const [row] = await this.#database.transaction('sampleLiveSessions', async (send) => {
      await send(setTimeouts(TABLES, STATEMENT_MS))
      return await send(statements.sampleLiveSessions())
    }, { budgetMs: SAMPLE_BUDGET_MS, signal })
    this.#canSample = true
    const value = row?.['value'] ?? null
    if (value !== null) this.#live = Number(value)
  }

  /** Removes what is older than that; resolves to how many rows went. @throws StoreError */
  async cleanup ({ retentionSeconds, signal }: { readonly retentionSeconds: number, readonly signal?: AbortSignal | undefined }): Promise<number> {
    let removed = 0
    for (let last = BATCH; last === BATCH && signal?.aborted !== true; removed += last) {
      const [row] = await this.#database.write(statements.cleanUpStats(retentionSeconds, BATCH))
      last = Number(row?.['removed'] ?? 0)
    }
    return removed
  }

  /** Writes what was counted before. Never rejects: what could not be written is kept, and tried again. */
  async flush (): Promise<void> {
    await this.#flusher.flush()
  }

  /** Writes what is left, once, and ends. */
  async close (): Promise<void> {
    await Promise.all([this.#sampling.stop(), this.#flusher.close()])
  }

  async #write (): Promise<void> {
    const now = this.#now()
    // the middle of a minute is nearest to all of it; of the one that runs, now
    const counts = [...this.#waiting].flatMap(([minute, counts]) =>
      [...counts].map(([name, value]) => ({ name, value, age: Math.max(0, now - (minute + 0.5) * MINUTE_MS) })))
    if (counts.length === 0) return
    const taken = new Map(this.#waiting)
    this.#waiting.clear()
    await this.#database.write(statements.addCounts(counts)).catch((error: unknown) => {
      this.#putBack(taken)
      throw error
    })
  }

  /** The oldest minutes first, as `count` leaves them. */
  #putBack (taken: ReadonlyMap<number, Map<string, number>>): void {
    const later = [...this.#waiting]
    this.#waiting.clear()
    for (const [minute, counts] of [...taken, ...later]) {
      const all = this.#waiting.get(minute) ?? new Map<string, number>()
      for (const [name, value] of counts) all.set(name, (all.get(name) ?? 0) + value)
      this.#waiting.set(minute, all)
    }
  }
}
