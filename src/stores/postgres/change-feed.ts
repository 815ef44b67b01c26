import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { ChangeSink, ChangeWatch } from '../change-watch.js'
import { areOver, cacheHeartbeat, declareCache, endCache, isCacheSeen, missingCacheTrigger, nextTransaction, renewCache } from './cache-statements.js'
import { ClockSteps } from './clock-steps.js'
import { Listener } from './listener.js'
import type { Tables } from './names.js'
import type { Row } from './rows.js'
import type { SameDatabase } from './same-database.js'
import type { Statement } from './statement.js'

/** How long writers announce changes for a cache that has died. */
const LEASE_SECONDS = 60
const RENEW_EVERY_MS = 15_000
/** Without an answer for so long the feed counts as broken; at first there is a login to be waited for. */
const SILENCE_MS = 1_500
const SETUP_MS = 5_000
/** Before another attempt, doubled with each that fails, drawn from 50–150 %. */
const RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000
/** Between two looks at those who began before the lease, doubled with each. */
const LOOK_AGAIN_MS = 5
const LONGEST_LOOK_MS = 500
/** A server that is silent is not waited for longer. */
const FAREWELL_MS = 300

export interface ChangeFeedOptions {
  /** How to connect, directly. */
  readonly config: pg.ClientConfig
  readonly tables: Tables
  readonly sink: ChangeSink
  /** Between an echo and the next heartbeat. */
  readonly everyMs: number
  /** Default: `config` is how statements connect, too. */
  readonly sameDatabase?: SameDatabase | undefined
}

/** A heartbeat under way. It has come back when both the row and the echo are here. */
interface Beat { readonly text: string, readonly sentAt: number, isAnswered: boolean, isEchoed: boolean }

/**
 * Hears of every change, over a connection of its own.
 *
 * It listens, and declares the cache by a lease: from then on statements that begin announce what they change. The feed
 * is whole when all those that began before are over. Announcements come in the order of the commits: when a heartbeat
 * to itself comes back, all that was committed before it was sent has come, provided that the lease was in force then.
 */
export class ChangeFeed implements ChangeWatch {
  readonly #options: ChangeFeedOptions
  readonly #node = randomBytes(12).toString('hex')
  /** Of this feed alone. */
  readonly #echo = `silverback:echo:${this.#node}`
  #listener: Listener | undefined
  /** Fires when the connection has been silent for too long. */
  #watchdog: NodeJS.Timeout | undefined
  /** The next heartbeat, or the next attempt to connect. */
  #next: NodeJS.Timeout | undefined
  #renewedAt = -Infinity
  #beat: Beat | undefined
  #beats = 0
  #clocks = new ClockSteps()
  #failures = 0
  #isToldBroken = false
  #isClosed = false
  #isUsed = false
  #wholeAt = -Infinity

  /** Begins to connect. */
  constructor (options: ChangeFeedOptions) {
    this.#options = options
    this.#connect()
  }

  /** Whoever asks is about to trust the feed: with the next heartbeat it looks whether statements still go to its database. */
  get wholeAt (): number {
    this.#isUsed = true
    return this.#wholeAt
  }

  /** Takes the lease back and ends the connection, whatever the server does. */
  async close (): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wholeAt = -Infinity
    clearTimeout(this.#watchdog)
    clearTimeout(this.#next)
    const listener = this.#listener
    if (listener === undefined) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, FAREWELL_MS)
      const done = (): void => { clearTimeout(timer); resolve() }
      listener.send(endCache(this.#options.tables, this.#node)).then(done, done) // a lease that stays runs out by itself
    })
    listener.end()
  }

  #connect (): void {
    const listener = new Listener(this.#options.config, {
      onNotification: (channel, payload) => { if (this.#isCurrent(listener)) this.#onNotification(listener, channel, payload) },
      onLost: () => { this.#fail(listener, new Error('the connection was lost')) }
    }, 'changes')
    this.#listener = listener
    this.#beat = undefined
    this.#clocks = new ClockSteps()
    this.#watch(listener, SETUP_MS)
    this.#run(listener, () => this.#setUp(listener))
  }

  /** Whatever goes wrong breaks the feed. */
  #run (listener: Listener, work: () => Promise<void>): void {
    work().catch((error: unknown) => { this.#fail(listener, error) })
  }

  #watch (listener: Listener, silenceMs: number): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => { this.#fail(listener, new Error(`no answer within ${silenceMs} ms`)) }, silenceMs).unref()
  }

  async #setUp (listener: Listener): Promise<void> {
    const { tables, sameDatabase } = this.#options
    await listener.connect()
    await listener.listen(this.#echo, tables.cacheChannel)
    if (await sameDatabase?.check(listener) === false) throw new Error('whether statements go to the same database is not known: there was no answer')
    checkTriggers(await this.#send(listener, missingCacheTrigger(tables)))
    if (!this.#isCurrent(listener)) return
    const lease = await this.#send(listener, declareCache(tables, this.#node, LEASE_SECONDS))
    this.#renewedAt = performance.now()
    // LISTEN would work at times, which is worse than never
    if (lease?.['pid'] !== listener.processId) throw new Error('the connection leads through a pooler in transaction mode: give a direct one')
    // a statement that sees no lease may write yet, and a transaction that has written may commit yet
    await this.#until(listener, isCacheSeen(tables, String(lease['transaction'])))
    const next = await this.#send(listener, nextTransaction(tables))
    await this.#until(listener, areOver(tables, String(next?.['next'])))
    await this.#sendBeat(listener)
  }

  /** Asks until it is so. A transaction that takes long is waited for, however long. */
  async #until (listener: Listener, statement: Statement): Promise<void> {
    for (let waitMs = LOOK_AGAIN_MS; this.#isCurrent(listener); waitMs = Math.min(2 * waitMs, LONGEST_LOOK_MS)) {
      const row = await this.#send(listener, statement)
      if (row?.['done'] === 't') return
      await pause(waitMs, undefined, { ref: false })
      await this.#renew(listener)
    }
  }

  /** Sends what has at most one row. Every answer puts off the watchdog. */
  async #send (listener: Listener, statement: Statement): Promise<Row | undefined> {
    const [row] = await listener.send(statement)
    if (this.#isCurrent(listener)) this.#watch(listener, SILENCE_MS)
    return row
  }

  async #renew (listener: Listener): Promise<void> {
    const now = performance.now()
    if (now - this.#renewedAt < RENEW_EVERY_MS) return
    if (await this.#send(listener, renewCache(this.#options.tables, this.#node, LEASE_SECONDS)) === undefined) throw new Error('the lease ran out')
    this.#renewedAt = now
  }

  async #sendBeat (listener: Listener): Promise<void> {
    await this.#renew(listener)
    if (!this.#isCurrent(listener)) return
    this.#lookAgain(listener)
    const beat: Beat = { text: String(++this.#beats), sentAt: performance.now(), isAnswered: false, isEchoed: false }
    this.#beat = beat
    const row = await this.#send(listener, cacheHeartbeat(this.#options.tables, this.#echo, beat.text, this.#node))
    if (row?.['declared'] !== 't') throw new Error('the lease is gone')
    checkTriggers(row)
    if (!this.#isCurrent(listener)) return
    if (this.#clocks.hasStepped(Number(row['at']), beat.sentAt, performance.now())) this.#options.sink.changed(null, null)
    beat.isAnswered = true
    this.#settle(listener)
  }

  /** Nobody waits for it: a pool that is busy breaks no feed. Nor does a feed that nobody uses keep a pool from being idle. */
  #lookAgain (listener: Listener): void {
    const { sameDatabase } = this.#options
    if (!this.#isUsed || sameDatabase?.isDue !== true) return
    this.#isUsed = false
    this.#run(listener, async () => { await sameDatabase.check(listener) })
  }

  #onNotification (listener: Listener, channel: string, payload: string): void {
    if (channel !== this.#echo) {
      this.#tell(payload)
    } else if (payload === this.#beat?.text) {
      this.#beat.isEchoed = true
      this.#settle(listener)
    }
  }

  #settle (listener: Listener): void {
    const beat = this.#beat
    if (beat === undefined || !beat.isAnswered || !beat.isEchoed || !this.#isCurrent(listener)) return
    this.#beat = undefined
    const isFirst = this.#wholeAt === -Infinity
    this.#wholeAt = beat.sentAt
    this.#next = setTimeout(() => { this.#run(listener, () => this.#sendBeat(listener)) }, this.#options.everyMs).unref()
    if (!isFirst) return
    this.#failures = 0
    this.#isToldBroken = false
    this.#options.sink.whole()
  }

  /** Anybody who may connect can send any text: the worst that one can do is to make the cache forget. */
  #tell (payload: string): void {
    const { sink } = this.#options
    for (const part of payload.split(',')) {
      const [id = '', version] = part.split(':')
      if (id === '*') sink.changed(null, null)
      else sink.changed(id, version === undefined ? null : Number(version))
    }
  }

  #fail (listener: Listener, cause: unknown): void {
    if (!this.#isCurrent(listener)) return
    this.#listener = undefined
    this.#wholeAt = -Infinity
    listener.destroy()
    clearTimeout(this.#watchdog)
    clearTimeout(this.#next)
    const longest = Math.min(RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS)
    this.#next = setTimeout(() => { this.#connect() }, longest * (0.5 + Math.random())).unref()
    if (this.#isToldBroken) return
    this.#isToldBroken = true
    this.#options.sink.broken(cause)
  }

  #isCurrent (listener: Listener): boolean {
    return !this.#isClosed && this.#listener === listener
  }
}

/** @throws where a trigger is named by which changes are told */
function checkTriggers (row: Row | undefined): void {
  const missing = row?.['missing'] ?? null
  if (missing !== null) throw new Error(`the trigger ${missing} is missing or disabled: not every change would be heard of`)
}
