import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { REVOCATION_KINDS, type Revocation, type RevocationSink } from '../../tokens/revocations.js'
import type { RevocationWatch } from '../../tokens/store.js'
import type { DatabaseClock } from './database-clock.js'
import { Listener } from './listener.js'
import { MisdirectedError } from './misdirected-error.js'
import type { Tables } from './names.js'
import { hintText, readHint, readRevocation, type RevocationHint } from './revocation-rows.js'
import { ALL_SESSIONS, heartbeat, listRevocations, revocationsOf } from './revocation-statements.js'
import type { Row } from './rows.js'
import type { SameDatabase } from './same-database.js'

/** Between an echo and the next heartbeat. */
const BEAT_EVERY_MS = 500
/** Without an echo for so long the feed counts as broken. */
const SILENCE_MS = 1_500
/** From the attempt to connect until all in force has been read. */
const SETUP_MS = 5_000
/** Before another attempt, doubled with each that fails, drawn from 50–150 %. */
const RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000
/** Rows that one statement asks for: a heartbeat comes between two. */
const MOST_HINTS = 1_000

const NOTHING: ReadonlyMap<string, RevocationHint> = new Map()

export interface RevocationFeedOptions {
  /** How to connect, directly. */
  readonly config: pg.ClientConfig
  readonly tables: Tables
  readonly sink: RevocationSink
  /** Learns from every heartbeat. */
  readonly clock: DatabaseClock
  /** Default: `config` is how statements connect, too. */
  readonly sameDatabase?: SameDatabase | undefined
}

/**
 * Tells a sink of every revocation, over a connection of its own.
 *
 * It listens first and reads what is in force then, so that nothing falls between. A heartbeat to itself shows that the
 * connection lives; what may have been missed while it did not is in what is read after the next connect.
 *
 * A notification is a hint, for everybody who may connect can send one: the feed reads the row that it names, over the
 * same connection, and tells what stands there. Hints that come meanwhile are read together.
 */
export class RevocationFeed implements RevocationWatch {
  readonly #options: RevocationFeedOptions
  /** Of this feed alone. */
  readonly #echo = `silverback:echo:${randomBytes(12).toString('hex')}`
  #listener: Listener | undefined
  /** Fires when the connection has been silent for too long. */
  #watchdog: NodeJS.Timeout | undefined
  /** The next heartbeat, or the next attempt to connect. */
  #next: NodeJS.Timeout | undefined
  /** What was announced and has not been read, by its text. */
  readonly #waiting = new Map<string, RevocationHint>()
  /** What is being read. */
  #reading: ReadonlyMap<string, RevocationHint> = NOTHING
  /** All in force has been read over this connection. */
  #isSetUp = false
  #failures = 0
  /** The advice that the sink was told with; `undefined`: none. `null`: it was not told that the feed is broken. */
  #toldBroken: string | undefined | null = null
  #isClosed = false
  #wholeAt = performance.now()

  /** Begins to connect. */
  constructor (options: RevocationFeedOptions) {
    this.#options = options
    this.#connect()
  }

  /** Of the last heartbeat that came back: what was announced before it has come, too. Before the first: when the feed began. */
  get wholeAt (): number { return this.#wholeAt }

  /** Whether what was announced of the session, or of all, has still to be read. */
  isUnread (sessionId: string): boolean {
    return [this.#waiting, this.#reading].some((hints) => hints.size > 0 && REVOCATION_KINDS.some((kind) => hints.has(hintText(kind, sessionId)) || hints.has(hintText(kind, ALL_SESSIONS))))
  }

  /** Ends the connection, whatever the server does. The sink is told nothing more. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#watchdog)
    clearTimeout(this.#next)
    this.#listener?.end()
  }

  #connect (): void {
    const listener = new Listener(this.#options.config, {
      onNotification: (channel, payload) => { if (this.#isCurrent(listener)) this.#onNotification(channel, payload) },
      onLost: (cause) => { this.#fail(listener, cause) }
    })
    this.#listener = listener
    this.#isSetUp = false
    this.#waiting.clear()
    this.#reading = NOTHING
    this.#watchdog = setTimeout(() => { this.#fail(listener, new Error(`not set up within ${SETUP_MS} ms`)) }, SETUP_MS).unref()
    this.#setUp(listener).catch((cause: unknown) => { this.#fail(listener, cause) })
  }

  async #setUp (listener: Listener): Promise<void> {
    const { tables, sink, sameDatabase } = this.#options
    await listener.connect()
    await listener.listen(this.#echo, tables.channel)
    await sameDatabase?.check(listener) // before anything else of it is believed, its clock too
    await this.#beat(listener)
    const rows = await listener.send(listRevocations(tables))
    if (!this.#isCurrent(listener)) return
    this.#isSetUp = true
    this.#failures = 0
    this.#toldBroken = null
    sink.reset(revocationsIn(rows))
    this.#listenOn(listener)
    await this.#readHints(listener)
  }

  /** From here on every echo puts off the watchdog. */
  #listenOn (listener: Listener): void {
    this.#wholeAt = performance.now()
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => { this.#fail(listener, new Error(`no heartbeat within ${SILENCE_MS} ms`)) }, SILENCE_MS).unref()
    this.#beatSoon(listener)
  }

  #beatSoon (listener: Listener): void {
    clearTimeout(this.#next)
    this.#next = setTimeout(() => { this.#beat(listener).catch((cause: unknown) => { this.#fail(listener, cause) }) }, BEAT_EVERY_MS).unref()
  }

  /** @throws MisdirectedError when the server's process is not the one of the login: LISTEN would work at times, which is worse than never */
  async #beat (listener: Listener): Promise<void> {
    const askedAt = performance.now()
    const [row] = await listener.send(heartbeat(this.#options.tables, this.#echo))
    this.#options.clock.learn(Number(row?.['at']), askedAt)
    if (row?.['pid'] !== listener.processId) throw new MisdirectedError('LISTEN leads through a pooler in transaction mode: "listenConnectionString" (DATABASE_DIRECT_URL) must lead past it')
    const { sameDatabase } = this.#options
    if (sameDatabase?.isDue === true) await sameDatabase.check(listener)
  }

  #onNotification (channel: string, payload: string): void {
    const listener = this.#listener
    if (channel !== this.#echo) {
      const hint = readHint(payload)
      if (hint === null) return
      this.#waiting.set(payload, hint)
      if (this.#isSetUp && listener !== undefined) this.#readHints(listener).catch((cause: unknown) => { this.#fail(listener, cause) })
    } else if (this.#isSetUp && listener !== undefined) {
      this.#wholeAt = performance.now()
      this.#watchdog?.refresh()
      this.#beatSoon(listener)
    }
  }

  /** Reads what was announced until nothing waits. */
  async #readHints (listener: Listener): Promise<void> {
    while (this.#reading.size === 0 && this.#waiting.size > 0) {
      const hints = this.#reading = takeFrom(this.#waiting, MOST_HINTS)
      const rows = await listener.send(revocationsOf(this.#options.tables, [...new Set([...hints.values()].map(({ session }) => session))]))
      if (!this.#isCurrent(listener)) return
      this.#reading = NOTHING
      this.#tell(hints, rows)
    }
  }

  /** Tells of each row that was announced what stands there now. */
  #tell (hints: ReadonlyMap<string, RevocationHint>, rows: readonly Row[]): void {
    const { sink } = this.#options
    const found = new Map(revocationsIn(rows).map((revocation) => [hintText(revocation.kind, revocation.sessionId ?? ALL_SESSIONS), revocation]))
    for (const [text, { kind, session }] of hints) {
      const revocation = found.get(text)
      if (revocation !== undefined) sink.add(revocation)
      else if (kind === 'blocked') sink.lift(session)
    }
  }

  #fail (listener: Listener, cause: unknown): void {
    if (!this.#isCurrent(listener)) return
    this.#listener = undefined
    listener.destroy()
    clearTimeout(this.#watchdog)
    clearTimeout(this.#next)
    const advice = cause instanceof MisdirectedError ? cause.message : undefined
    const longest = advice === undefined ? Math.min(RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS) : LONGEST_RETRY_MS
    this.#next = setTimeout(() => { this.#connect() }, longest * (0.5 + Math.random())).unref()
    if (this.#toldBroken !== null && (advice === undefined || advice === this.#toldBroken)) return
    this.#toldBroken = advice
    this.#options.sink.broken(cause, advice)
  }

  #isCurrent (listener: Listener): boolean {
    return !this.#isClosed && this.#listener === listener
  }
}

/** Takes the first so many out of a map. */
function takeFrom<T> (map: Map<string, T>, count: number): ReadonlyMap<string, T> {
  const taken = new Map<string, T>()
  for (const [key, value] of map) {
    if (taken.size === count) break
    taken.set(key, value)
    map.delete(key)
  }
  return taken
}

const revocationsIn = (rows: readonly Row[]): Revocation[] => rows.map(readRevocation).filter((revocation) => revocation !== null)
