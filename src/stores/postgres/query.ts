import type { CustomTypesConfig, Pool, QueryConfig } from 'pg'
import { StoreError } from '../../core/errors.js'
import { tellQuery } from '../measures.js'
import { Connections } from './connections.js'
import { Deadline } from './deadline.js'
import { DeadlineError, isLostConnection, isTransient, spoilsConnection } from './faults.js'
import type { Row } from './rows.js'
import type { Statement } from './statement.js'

/** From the call to the answer, waiting for a connection and retries included. */
export const DEADLINE_MS = 2_500
const TRANSIENT_RETRIES = 3
const TRANSIENT_PAUSE_MS = 20
const RECONNECT_PAUSE_MS = 30

/** Sends one statement and resolves to its rows. */
export type Send = (statement: Statement) => Promise<Row[]>

export interface DatabaseOptions {
  readonly pool: Pool
  /** Whether statements are prepared under their names. Behind a pooler in transaction mode they cannot be. */
  readonly named: boolean
  /** Default 2,500. */
  readonly deadlineMs?: number
}

/** One attempt: what it needs of its connection, and whether it came to use it. */
interface Attempt { readonly bornAfter: number, sent: boolean }

/**
 * Runs statements on a pool. The only place where an error of the driver becomes a `StoreError`.
 *
 * Every call ends within its deadline. A connection that met it, or any error that may have left it in disorder, is
 * destroyed and never used again.
 */
export class Database {
  readonly #connections: Connections
  readonly #named: boolean
  /** What a call takes at most, unless it is given less. */
  readonly deadlineMs: number

  constructor ({ pool, named, deadlineMs = DEADLINE_MS }: DatabaseOptions) {
    this.#connections = new Connections(pool)
    this.#named = named
    this.deadlineMs = deadlineMs
  }

  /** Another number with each connection that is made: the next statement may go to another server than those before. */
  get era (): number { return this.#connections.made }

  /** Runs a statement that changes nothing: after a lost connection, once more on another. */
  async read (statement: Statement, budgetMs?: number): Promise<Row[]> {
    return await this.#within(statement.label, (send) => send(statement), { budgetMs, sendAgain: true })
  }

  /** Runs a statement once: it is sent again only when the server said that it undid it. */
  async write (statement: Statement, budgetMs?: number): Promise<Row[]> {
    return await this.#within(statement.label, (send) => send(statement), { budgetMs })
  }

  /**
   * Runs several statements in one transaction, each of which sees what was committed before it began, whatever the
   * pool's default is. Whatever fails within, and `signal`, destroys the connection, and so undoes all.
   */
  async transaction<T> (label: string, work: (send: Send) => Promise<T>, { budgetMs, signal }: { budgetMs?: number, signal?: AbortSignal | undefined } = {}): Promise<T> {
    return await this.#within(label, async (send, run) => {
      await run('BEGIN ISOLATION LEVEL READ COMMITTED')
      const result = await work(send)
      await run('COMMIT')
      return result
    }, { budgetMs, signal, fragile: true })
  }

  async #within<T> (label: string, work: Work<T>, { budgetMs = this.deadlineMs, signal, sendAgain = false, fragile = false }: WorkOptions): Promise<T> {
    if (budgetMs <= 0) throw new StoreError(label, new DeadlineError(this.deadlineMs)) // it has waited for all of its time
    const startedAt = performance.now()
    const deadline = new Deadline(budgetMs, signal)
    let bornAfter = -Infinity
    let failed = false
    try {
      for (let number = 1; ; number++) {
        const attempt: Attempt = { bornAfter, sent: false }
        try {
          return await this.#once(work, deadline, attempt, fragile)
        } catch (error) {
          const mayReconnect = (sendAgain || !attempt.sent) && deadline.left > budgetMs / 2
          const pauseMs = pauseBeforeRetry(error, number, mayReconnect)
          if (pauseMs === null) throw error
          if (attempt.sent && !isTransient(error)) bornAfter = performance.now()
          await deadline.pause(pauseMs)
        }
      }
    } catch (error) {
      failed = true
      throw new StoreError(label, error)
    } finally {
      deadline.clear()
      tellQuery(label, startedAt, failed)
    }
  }

  async #once<T> (work: Work<T>, deadline: Deadline, attempt: Attempt, fragile: boolean): Promise<T> {
    const client = await this.#connections.acquire(deadline, attempt.bornAfter)
    let broken: Error | undefined
    // What is in flight rejects as well; without a listener the event would end the process (V70).
    const onError = (error: Error): void => { broken = error }
    client.on('error', onError)
    const run = async (query: string | QueryConfig): Promise<Row[]> => (await client.query<Row>(query)).rows
    try {
      attempt.sent = true
      const result = await deadline.race(work((statement) => run(this.#query(statement)), run))
      client.release(broken)
      return result
    } catch (error) {
      client.release(fragile || broken !== undefined || spoilsConnection(error))
      throw error
    } finally {
      client.off('error', onError)
    }
  }

  #query ({ name, text, values }: Statement): QueryConfig {
    return this.#named ? { name, text, values: [...values], types: AS_TEXT } : { text, values: [...values], types: AS_TEXT }
  }
}

interface WorkOptions {
  readonly budgetMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** After a lost connection it may be sent again, though it was sent. */
  readonly sendAgain?: boolean
  /** Any failure spoils the connection. */
  readonly fragile?: boolean
}

type Work<T> = (send: Send, run: (text: string) => Promise<Row[]>) => Promise<T>

/** Every column as the server's text: the type parsers that the application may have set play no part. */
export const AS_TEXT: CustomTypesConfig = { getTypeParser: () => (text: unknown) => text }

/** How long to wait before another try; `null`: there is none. */
function pauseBeforeRetry (error: unknown, number: number, mayReconnect: boolean): number | null {
  if (isTransient(error)) return number <= TRANSIENT_RETRIES ? TRANSIENT_PAUSE_MS * number : null
  return number === 1 && mayReconnect && isLostConnection(error) ? RECONNECT_PAUSE_MS : null
}
