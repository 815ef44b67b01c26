import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { SessionEvents } from '../session/events.js'
import type { Manager } from '../session/manager.js'
import type { BatchMessage, QueryMessage } from '../stores/measures.js'
import type { Database } from '../stores/postgres/query.js'
import type { TokenEventMessage, TokenEventName } from '../tokens/events.js'
import { TokenIssuer } from '../tokens/issuer.js'
import { isAnswered } from '../tokens/rotation.js'
import { Audit } from './events/audit.js'
import { CurrentRequest } from './events/current-request.js'
import { EventLog } from './events/event-log.js'
import type { Sources } from './metrics/families.js'
import { toCounted } from './metrics/end-reason.js'
import { factsOf } from './metrics/http.js'
import { Metrics } from './metrics/metrics.js'
import { Statistics } from './stats/statistics.js'

export interface ObserverParts {
  /** For events and statistics. */
  readonly database: Database
  /** Whether the database was reached once. */
  readonly isReady: () => boolean
  /** Whether figures are kept for `/metrics`. */
  readonly hasMetrics: boolean
  /** Default: none. */
  readonly pools?: ReturnType<Sources['pools']>
  readonly log: FastifyBaseLogger
}

/** The tokens of an application, and its sessions. */
export interface Observed extends Pick<FastifyInstance, 'addHook'> {
  readonly sessions: Manager
  readonly tokens: object
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where acts that concern security are told. */
    readonly audit: Audit
  }
}

/** How the client of a session ends it itself. */
const BY_CLIENT: ReadonlySet<string> = new Set(['logout', 'revoked'])

/** Listens once to what the sessions, the tokens and the stores tell, and keeps it: in figures, statistics, stories and the log. */
export class Observer {
  readonly events: EventLog
  readonly statistics: Statistics
  /** `null`: none are kept. */
  readonly metrics: Metrics | null
  readonly audit: Audit
  readonly #current = new CurrentRequest()
  readonly #listening: (() => void)[] = []
  #tokens: TokenIssuer | null = null

  constructor ({ database, isReady, hasMetrics, pools = {}, log }: ObserverParts) {
    this.events = new EventLog({ database, log, isReady })
    this.statistics = new Statistics({ database, log, isReady })
    this.metrics = hasMetrics
      ? new Metrics({ live: () => this.statistics.live, tokens: () => this.#tokens?.measures() ?? null, pools: () => pools, dropped: () => this.events.dropped })
      : null
    this.audit = new Audit({ events: this.events, statistics: this.statistics, metrics: this.metrics, log })
    if (this.metrics !== null) this.#watchStores(this.metrics)
  }

  /** What is wrong with the feed of revocations; `null`: nothing that is known. */
  get feedFault (): string | null {
    return this.#tokens?.measures().feedFault ?? null
  }

  /** Measures the requests of an application. Before its routes. */
  watchRequests (app: FastifyInstance): void {
    app.addHook('onResponse', (request, reply, done) => {
      this.metrics?.request(factsOf(request, reply))
      done()
    })
  }

  /** Listens to sessions and their tokens. Before the routes that have sessions. */
  watchSessions (app: Observed): void {
    const { sessions, tokens } = app
    this.#current.watch(app, sessions)
    if (tokens instanceof TokenIssuer) this.#tokens = tokens
    this.#listening.push(
      sessions.on('created', () => { this.metrics?.created() }),
      sessions.on('signedIn', ({ sessionId, userId, clientIp }) => { this.audit.record(this.#current.request, 'signedIn', { sessionId, userId, clientIp }) }),
      sessions.on('destroyed', ({ sessionId }) => { this.#destroyed(sessionId) }),
      sessions.on('ended', (facts) => { this.#ended(facts) }),
      sessions.on('blocked', () => { this.statistics.count('blocked') }),
      sessions.on('rejected', ({ reason }) => { this.metrics?.cookieRejected(reason) }),
      sessions.on('cleanup', ({ count, ms }) => { this.metrics?.cleanup(count, ms / 1000) })
    )
    this.#onToken(tokens, 'tokenRefreshed', ({ outcome }) => {
      this.metrics?.refreshed(outcome)
      this.statistics.count(statisticOf(outcome))
    })
    for (const event of ['tokenReused', 'tokenAhead', 'tokenMismatch'] as const) {
      this.#onToken(tokens, event, ({ sessionId, generation, clientIp }) => { this.audit.record(this.#current.request, event, { sessionId, generation, clientIp }) })
    }
  }

  /** Writes what is left, and ends. */
  async close (): Promise<void> {
    for (const end of this.#listening.splice(0)) end()
    await Promise.all([this.events.close(), this.statistics.close()])
  }

  /** By the request that came with it; of a sign-in that failed, and of one that was blocked, nobody knows whose it was. */
  #destroyed (sessionId: string): void {
    const userId = this.#current.ownerOf(sessionId)
    if (typeof userId === 'string') this.audit.record(this.#current.request, 'signedOut', { sessionId, userId })
    this.audit.countEnded(userId === undefined ? 'other' : toCounted('logout', userId))
  }

  /** What is told here of acts that nobody else tells: of the others the end is counted alone. */
  #ended ({ sessionId, reason, userId = this.#current.ownerOf(sessionId) }: SessionEvents['ended']): void {
    this.audit.countEnded(toCounted(reason, userId))
    if (userId === null) return
    const { request } = this.#current
    if (BY_CLIENT.has(reason)) this.audit.record(request, 'signedOut', { sessionId, reason, ...(userId !== undefined && { userId }) })
    else if (reason === 'replaced') this.audit.record(request, 'signedInAgain', { sessionId, userId })
    else if (reason === 'evicted') this.audit.record(request, 'evicted', { sessionId, userId })
  }

  #watchStores (metrics: Metrics): void {
    this.#on('silverback:query', (told) => {
      const { operation, ms, failed } = told as QueryMessage // nobody else writes to the channel
      metrics.query(operation, ms / 1000, failed)
    })
    this.#on('silverback:batch', (told) => {
      const { kind, size } = told as BatchMessage // as above
      metrics.batch(kind, size)
    })
  }

  #onToken<E extends TokenEventName> (source: object, event: E, listener: (message: TokenEventMessage<E>) => void): void {
    this.#on(`silverback:${event}`, (told) => {
      const message = told as TokenEventMessage<E> // nobody else writes to the channel
      if (message.source === source) listener(message)
    })
  }

  #on (channel: string, listener: (told: unknown) => void): void {
    subscribe(channel, listener)
    this.#listening.push(() => { unsubscribe(channel, listener) })
  }
}

const ANSWERED = { ROTATE: 'refresh_rotate', AHEAD: 'refresh_rotate', REPLAY: 'refresh_replay', EARLY: 'refresh_early', STRAGGLER: 'refresh_straggler' } as const

function statisticOf (outcome: TokenEventMessage<'tokenRefreshed'>['outcome']) {
  return outcome !== 'FORGED' && isAnswered(outcome) ? ANSWERED[outcome] : 'refresh_refused'
}
