import { setTimeout as pause } from 'node:timers/promises'
import { openPool } from '../../stores/postgres/pool.js'
import type { OwnPool } from '../../stores/postgres/pool.js'
import { readAccess } from './access.js'
import type { Facts } from './health.js'
import { readStatus } from './migrations.js'

const DEADLINE_MS = 2_500

/**
 * Looks at the database over a connection of its own: a pool that is busy with requests says nothing about its health.
 *
 * The connection is opened when it is needed, closed when it is not, and never used again after a failure.
 */
export class Probe {
  readonly #connectionString: string
  readonly #pooler: boolean
  #own: OwnPool | null = null
  #look: Promise<Facts> | null = null
  #isClosed = false

  constructor ({ connectionString, pooler }: { connectionString: string, pooler: boolean }) {
    this.#connectionString = connectionString
    this.#pooler = pooler
  }

  /** One look; calls during it share it. @throws the driver's error, or one of ours after 2.5 seconds */
  async look (): Promise<Facts> {
    this.#look ??= this.#lookOnce().finally(() => { this.#look = null })
    return await this.#look
  }

  /** A look that begins now: it sees what has been done before. */
  async lookAfresh (): Promise<Facts> {
    await this.#look?.catch(() => { /* told to whoever asked for that one */ })
    return await this.look()
  }

  /** Ends the connection; a look under way fails. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.#drop()
  }

  async #drop (): Promise<void> {
    const own = this.#own
    this.#own = null
    await own?.close()
  }

  async #lookOnce (): Promise<Facts> {
    if (this.#isClosed) throw new Error('the probe is closed')
    this.#own ??= this.#open()
    const timeout = new AbortController()
    try {
      return await Promise.race([ask(this.#own), expire(timeout.signal)])
    } catch (error) {
      void this.#drop() // in the background: a server that does not answer does not say goodbye either
      throw error
    } finally {
      timeout.abort()
    }
  }

  #open (): OwnPool {
    const own = openPool(this.#connectionString, { max: 1, pooler: this.#pooler })
    own.pool.on('error', () => { /* a connection that dies while idle is replaced; the event would end the process */ })
    return own
  }
}

async function ask ({ pool }: OwnPool): Promise<Facts> {
  const migrations = await readStatus(pool)
  const access = await readAccess(pool)
  const before = Date.now()
  const { rows: [clock] } = await pool.query<{ now: string }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS now')
  return { migrations, access, skewMs: Number(clock?.now) - (before + Date.now()) / 2 }
}

async function expire (signal: AbortSignal): Promise<never> {
  await pause(DEADLINE_MS, undefined, { signal })
  throw new Error(`no answer within ${DEADLINE_MS} ms`)
}
