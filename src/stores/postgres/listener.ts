import { Socket } from 'node:net'
import pg from 'pg'
import { quoted } from './names.js'
import { AS_TEXT } from './query.js'
import type { Row } from './rows.js'
import type { Statement } from './statement.js'

/** A server that is silent is not waited for longer. */
const FAREWELL_MS = 300

/** What a listener tells its owner. */
export interface ListenerEvents {
  readonly onNotification: (channel: string, payload: string) => void
  /** The connection is of no more use. Said once, unless the owner has ended it. */
  readonly onLost: (cause: Error) => void
}

/** One direct connection for LISTEN. It does not keep the process alive. */
export class Listener {
  readonly #config: pg.ClientConfig
  readonly #events: ListenerEvents
  readonly #purpose: string
  /** Made by `connect`. */
  #client: pg.Client | undefined
  readonly #socket = new Socket()
  #isOver = false
  /** Settles when what was sent last has been answered: the driver is given one statement at a time. */
  #sent: Promise<unknown> = Promise.resolve()

  /** @param purpose for whoever looks at the server's connections */
  constructor (config: pg.ClientConfig, events: ListenerEvents, purpose = 'revocations') {
    this.#socket.unref()
    this.#config = config
    this.#events = events
    this.#purpose = purpose
  }

  /** The server's process as it was named at login. A pooler names none, or another than the one that serves a statement. */
  get processId (): string {
    return String(Reflect.get(this.#connected, 'processID'))
  }

  /** Once. Reads the files that the configuration names, of certificates and keys, anew: they may be away for a moment. */
  async connect (): Promise<void> {
    const { onNotification, onLost } = this.#events
    const client = this.#client = new pg.Client({ ...this.#config, keepAlive: true, application_name: `silverback ${this.#purpose}`, stream: () => this.#socket })
    const lost = (cause = new Error('the connection ended')): void => {
      if (this.#isOver) return
      this.destroy()
      onLost(cause)
    }
    client.on('error', lost)
    client.on('end', () => { lost() })
    client.on('notification', ({ channel, payload = '' }) => { if (!this.#isOver) onNotification(channel, payload) })
    await client.connect()
  }

  async listen (...channels: string[]): Promise<void> {
    await this.#connected.query(channels.map((channel) => `LISTEN ${quoted(channel)}`).join('; '))
  }

  /** Never prepared: each is sent seldom. */
  async send ({ text, values }: Statement): Promise<Row[]> {
    const answer = this.#sent.then(async () => (await this.#connected.query<Row>({ text, values: [...values], types: AS_TEXT })).rows)
    this.#sent = answer.catch(() => { /* told to whoever waits for it */ })
    return await answer
  }

  /** Takes leave of the server, and waits for nothing. */
  end (): void {
    this.#isOver = true
    this.#client?.end().catch(() => { /* it is gone: that is what was wanted */ })
    setTimeout(() => { this.#socket.destroy() }, FAREWELL_MS).unref()
  }

  /** Drops the connection as it is. */
  destroy (): void {
    this.#isOver = true
    this.#socket.destroy()
  }

  get #connected (): pg.Client {
    if (this.#client === undefined) throw new Error('it has not been told to connect')
    return this.#client
  }
}
