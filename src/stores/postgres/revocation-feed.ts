import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { Revocation, RevocationSink } from '../../tokens/revocations.js'
import type { RevocationWatch } from '../../tokens/store.js'
import type { DatabaseClock } from './database-clock.js'
import { Listener } from './listener.js'
import type { Tables } from './names.js'
import { readMessage, readRevocation } from './revocation-message.js'
import { heartbeat, listRevocations } from './revocation-statements.js'

/** Between an echo and the next heartbeat. */
const BEAT_EVERY_MS = 500
/** Without an echo for so long the feed counts as broken. */
const SILENCE_MS = 1_500
/** From the attempt to connect until all in force has been read. */
const SETUP_MS = 5_000
/** Before another attempt, doubled with each that fails, drawn from 50–150 %. */
const RETRY_MS = 100
const LONGEST_RETRY_MS = 5_000

export interface RevocationFeedOptions {
  /** How to connect, directly. */
  readonly config: pg.ClientConfig
  readonly tables: Tables
  readonly sink: RevocationSink
  /** Learns from every heartbeat. */
  readonly clock: DatabaseClock
}

/**
 * Tells a sink of every revocation, over a connection of its own.
 *
 * It listens first and reads what is in force then, so that nothing falls between. A heartbeat to itself shows that the
 * connection lives; what may have been missed while it did not is in what is read after the next connect.
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
  /** What was announced before all in force was read; `null`: it has been. */
  #early: string[] | null = null
  #failures = 0
  #isToldBroken = false
  #isClosed = false

  /** Begins to connect. */
  constructor (options: RevocationFeedOptions) {
    this.#options = options
    this.#connect()
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
      onLost: () => { this.#fail(listener) }
    })
    this.#listener = listener
    this.#early = []
    this.#watchdog = setTimeout(() => { this.#fail(listener) }, SETUP_MS).unref()
    this.#setUp(listener).catch(() => { this.#fail(listener) })
  }

  async #setUp (listener: Listener): Promise<void> {
    const { tables, sink } = this.#options
    await listener.connect()
    await listener.listen(this.#echo, tables.channel)
    await this.#beat(listener)
    const rows = await listener.send(listRevocations(tables))
    if (!this.#isCurrent(listener)) return
    const announced = this.#early ?? []
    this.#early = null
    this.#failures = 0
    this.#isToldBroken = false
    sink.reset(rows.map(readRevocation).filter((revocation): revocation is Revocation => revocation !== null))
    for (const payload of announced) this.#tell(payload)
    this.#listenOn(listener)
  }

  /** From here on every echo puts off the watchdog. */
  #listenOn (listener: Listener): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => { this.#fail(listener) }, SILENCE_MS).unref()
    this.#beatSoon(listener)
  }

  #beatSoon (listener: Listener): void {
    clearTimeout(this.#next)
    this.#next = setTimeout(() => { this.#beat(listener).catch(() => { this.#fail(listener) }) }, BEAT_EVERY_MS).unref()
  }

  /** @throws when the server's process is not the one of the login: LISTEN would work at times, which is worse than never */
  async #beat (listener: Listener): Promise<void> {
    const askedAt = performance.now()
    const [row] = await listener.send(heartbeat(this.#options.tables, this.#echo))
    this.#options.clock.learn(Number(row?.['at']), askedAt)
    if (row?.['pid'] !== listener.processId) throw new Error('the connection leads through a pooler in transaction mode: give a direct one')
  }

  #onNotification (channel: string, payload: string): void {
    if (channel !== this.#echo) {
      if (this.#early === null) this.#tell(payload)
      else this.#early.push(payload)
    } else if (this.#early === null && this.#listener !== undefined) {
      this.#watchdog?.refresh()
      this.#beatSoon(this.#listener)
    }
  }

  #tell (payload: string): void {
    const message = readMessage(payload)
    if (message?.lifted === true) this.#options.sink.lift(message.sessionId, message.kind)
    else if (message !== null) this.#options.sink.add(message.revocation)
  }

  #fail (listener: Listener): void {
    if (!this.#isCurrent(listener)) return
    this.#listener = undefined
    listener.destroy()
    clearTimeout(this.#watchdog)
    clearTimeout(this.#next)
    const longest = Math.min(RETRY_MS * 2 ** this.#failures++, LONGEST_RETRY_MS)
    this.#next = setTimeout(() => { this.#connect() }, longest * (0.5 + Math.random())).unref()
    if (this.#isToldBroken) return
    this.#isToldBroken = true
    this.#options.sink.broken()
  }

  #isCurrent (listener: Listener): boolean {
    return !this.#isClosed && this.#listener === listener
  }
}
