import { isIP } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { StoreError } from '../../core/errors.js'
import { isUuid } from '../../core/uuid.js'
import { setTimeouts } from '../../stores/postgres/bulk-statements.js'
import { isDataFault } from '../../stores/postgres/faults.js'
import type { Database } from '../../stores/postgres/query.js'
import type { Row } from '../../stores/postgres/rows.js'
import { TABLES } from '../database/tables.js'
import { Flusher } from '../flusher.js'
import type { NewEvent, SessionEvent } from './event.js'
import * as statements from './statements.js'
import type { PendingEvent } from './statements.js'

export interface EventLogOptions {
  /** Of a role that may add events and read them. */
  readonly database: Database
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
  /** Whether the database was reached once. Default: always. */
  readonly isReady?: () => boolean
  /** Events kept in memory while they cannot be written. Default 10,000. */
  readonly most?: number
}

/** How a session stands now. */
export interface SessionState {
  readonly userId: string | null
  readonly isExpired: boolean
  readonly expiresAt: Date
  readonly isBlocked: boolean
  readonly blockedReason: string | null
  /** Of the newest refresh token; `null`: the session has none. */
  readonly generation: number | null
  /** When that one was given; `null`: the session has none. */
  readonly refreshedAt: Date | null
}

const FLUSH_SECONDS = 1
const BATCH = 1_000
const MOST_LISTED = 1_000
const MOST_WAITING = 10_000
const MAX_REASON = 200
const MAX_TEXT = 512
const RUN_MS = 30_000
const BATCH_MS = 20_000
const STATEMENT_MS = 15_000

/**
 * What has happened to the sessions of users, in the table `session_events`.
 *
 * `record` never waits and never fails: events gather in memory and are written every second. A connection that is lost
 * while they are may write them twice; a process that is killed loses those of its last second. What the database itself
 * sees is written by triggers, and neither lost nor doubled.
 */
export class EventLog {
  readonly #database: Database
  readonly #log: EventLogOptions['log']
  readonly #most: number
  readonly #flusher: Flusher
  #waiting: PendingEvent[] = []
  #dropped = 0
  #toldDropped = 0

  /** Starts to write every second; `close` ends it. */
  constructor ({ database, log, isReady = () => true, most = MOST_WAITING }: EventLogOptions) {
    this.#database = database
    this.#log = log
    this.#most = most
    this.#flusher = new Flusher({ everySeconds: FLUSH_SECONDS, what: 'events of sessions', write: async () => { await this.#write() }, isReady, log })
  }

  /** How many events were dropped because too many waited. */
  get dropped (): number { return this.#dropped }

  /** Notes an event. When too many wait, those that come are dropped: how it began is worth more. */
  record (event: NewEvent): void {
    if (this.#waiting.length < this.#most) {
      this.#waiting.push(toPending(event))
      return
    }
    if (this.#dropped === this.#toldDropped) this.#log.error(`${this.#most} events of sessions wait to be written: further ones are dropped`)
    this.#dropped++
  }

  /**
   * The story of a session, oldest first: also what happened under other ids that it has had, and what was done to all
   * sessions of its user meanwhile. Of more than 1,000 events the newest, and those that the database told. @throws StoreError
   */
  async ofSession (sessionId: string): Promise<SessionEvent[]> {
    if (!isUuid(sessionId)) return []
    await this.flush() // what has been done here is part of it
    return (await this.#database.read(statements.eventsOfSession(sessionId, MOST_LISTED))).map(toEvent)
  }

  /** What has happened to the user's sessions, newest first. @param limit 1 to 1,000; default 100 @throws StoreError */
  async ofUser (userId: string, { limit = 100 }: { readonly limit?: number } = {}): Promise<SessionEvent[]> {
    await this.flush()
    return (await this.#database.read(statements.eventsOfUser(userId, Math.max(1, Math.min(limit, MOST_LISTED))))).map(toEvent)
  }

  /** How a session stands now; `null`: it is gone. @throws StoreError */
  async stateOf (sessionId: string): Promise<SessionState | null> {
    if (!isUuid(sessionId)) return null
    const [row] = await this.#database.read(statements.stateOfSession(sessionId))
    return row === undefined ? null : toState(row)
  }

  /** Removes events older than that, batch by batch, for at most 30 seconds; resolves to how many. @throws StoreError */
  async cleanup ({ retentionSeconds, signal }: { readonly retentionSeconds: number, readonly signal?: AbortSignal | undefined }): Promise<number> {
    const endsAt = performance.now() + RUN_MS
    let removed = 0
    for (let last = BATCH; last === BATCH && signal?.aborted !== true && performance.now() < endsAt; removed += last) {
      last = await this.#database.transaction('cleanUpEvents', async (send) => {
        await send(setTimeouts(TABLES, STATEMENT_MS))
        await send(statements.allowRetention())
        const [row] = await send(statements.cleanUpEvents(retentionSeconds, BATCH))
        return Number(row?.['removed'] ?? 0)
      }, { budgetMs: BATCH_MS, signal })
    }
    return removed
  }

  /** Writes what was recorded before. Never rejects: what could not be written is kept, and tried again. */
  async flush (): Promise<void> {
    await this.#flusher.flush()
  }

  /** Writes what is left, once, and ends. */
  async close (): Promise<void> {
    await this.#flusher.close()
    if (this.#waiting.length > 0) this.#log.error({ count: this.#waiting.length }, 'events of sessions could not be written, and are lost')
  }

  async #write (): Promise<void> {
    for (let left = this.#waiting.length; left > 0;) {
      const batch = this.#waiting.slice(0, Math.min(BATCH, left))
      // the statement is made once there is a connection: how long ago each event was is said when it is sent
      await this.#database.transaction('recordEvents', async (send) => await send(statements.recordEvents(batch))).catch((error: unknown) => { this.#refused(error, batch.length) })
      this.#waiting = this.#waiting.slice(batch.length) // what came meanwhile stands behind
      left -= batch.length
    }
    if (this.#dropped > this.#toldDropped) this.#log.error({ count: this.#dropped - this.#toldDropped }, 'events of sessions were dropped')
    this.#toldDropped = this.#dropped
  }

  /** What the database will never take must not hold up the rest. @throws whatever else went wrong */
  #refused (error: unknown, count: number): void {
    if (!(error instanceof StoreError) || !isDataFault(error.cause)) throw error
    this.#dropped += count
    this.#log.error({ err: error, count }, 'the database refuses events of sessions')
  }
}

function toPending ({ kind, sessionId, userId, clientIp, userAgent, actorId, reason, generation }: NewEvent): PendingEvent {
  return {
    kind,
    sessionId: typeof sessionId === 'string' && isUuid(sessionId) ? sessionId : null,
    userId: clean(userId, MAX_TEXT),
    clientIp: typeof clientIp === 'string' && isIP(clientIp) !== 0 && !clientIp.includes('%') ? clientIp : null,
    userAgent: clean(userAgent, MAX_TEXT),
    actorId: clean(actorId, MAX_TEXT),
    reason: clean(reason, MAX_REASON),
    generation: generation ?? null,
    since: performance.now()
  }
}

/** PostgreSQL takes no NUL and no half of a surrogate pair, and counts characters. */
function clean (text: string | null | undefined, most: number): string | null {
  return typeof text === 'string' ? Array.from(text.replaceAll('\0', '').toWellFormed()).slice(0, most).join('') : null
}

function toEvent (row: Row): SessionEvent {
  return {
    id: String(row['id']),
    at: new Date(Number(row['at'])),
    sessionId: row['session_id'] ?? null,
    userId: row['user_id'] ?? null,
    kind: String(row['kind']),
    clientIp: row['client_ip'] ?? null,
    userAgent: row['user_agent'] ?? null,
    actorId: row['actor_id'] ?? null,
    reason: row['reason'] ?? null,
    generation: toNumber(row['generation'])
  }
}

function toState (row: Row): SessionState {
  const refreshedAt = toNumber(row['refreshed_at'])
  return {
    userId: row['user_id'] ?? null,
    isExpired: row['expired'] === 't',
    expiresAt: new Date(Number(row['expires_at'])),
    isBlocked: row['blocked'] === 't',
    blockedReason: row['blocked_reason'] ?? null,
    generation: toNumber(row['generation']),
    refreshedAt: refreshedAt === null ? null : new Date(refreshedAt)
  }
}

const toNumber = (text: string | null | undefined): number | null => typeof text === 'string' ? Number(text) : null
