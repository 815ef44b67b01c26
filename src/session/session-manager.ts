import { SessionGoneError, StoreError } from '../core/errors.js'
import { rejectSharedKeys } from '../core/keys.js'
import { type RepeatingTimer, startTimer } from '../core/timer.js'
import { isUuid } from '../core/uuid.js'
import { BLOCK_REASON, isBlockReason } from './block-reason.js'
import { checkStore } from './check-store.js'
import { createCookieCodec, type VerifiedCookie } from './cookie.js'
import { CookieReader } from './cookie-reader.js'
import { CookieWriter } from './cookie-writer.js'
import { rejectCrossSite } from './cross-site.js'
import { publish, type RejectionReason, type SessionEventMessage, type SessionEventName, type SessionEvents, subscribe } from './events.js'
import { dropSetCookie, type ReplyLike, type RequestLike } from './http.js'
import type { Manager, SessionInfo } from './manager.js'
import { openedSession, setOpened } from './opened.js'
import { type ManagerOptions, resolveManagerOptions, type ResolvedManagerOptions } from './options.js'
import { rejectionOf } from './rejection.js'
import { RequestSession } from './request-session.js'
import { type SessionHost, SessionRow } from './row.js'
import type { Session } from './session.js'
import { SessionCookie } from './session-cookie.js'
import { checkUserId, copyClaims } from './sign-in.js'
import { Signals } from './signals.js'
import type { Claims, CleanupOptions, SessionRecord, Store } from './store.js'
import { UpdateQueue } from './update-queue.js'

/** Of the cleanup that nobody waits for: it works a fifth of the time. */
const REST = 4

/**
 * Makes a Manager, for use without the plugin. `reply.setCookie` of @fastify/cookie must be there.
 *
 * Starts the cleanup timer; `close` stops it.
 * @throws TypeError naming the option that is wrong
 */
export function createManager (store: Store, options: ManagerOptions): Manager {
  return new SessionManager(store, resolveManagerOptions(options))
}

/** The manager that the plugin drives; `start` and `refresh` exist in a form without promises where none is needed. */
export class SessionManager implements Manager, SessionHost {
  readonly store: Store
  readonly options: SessionHost['options']
  readonly updates: UpdateQueue
  readonly signals: Signals
  readonly #authKeys: readonly Buffer[]
  readonly #reader: CookieReader
  readonly #timer: RepeatingTimer | null
  /** Sessions that are being loaded by hand: the plugin opens one a request, and needs no entry. */
  readonly #starting = new WeakMap<object, Promise<RequestSession>>()
  readonly #listening = new Set<() => void>()
  readonly #writer: CookieWriter

  constructor (store: Store, { authKeys, sealer, ...options }: ResolvedManagerOptions) {
    checkStore(store)
    this.store = store
    this.#authKeys = authKeys
    this.options = Object.freeze(options)
    this.updates = new UpdateQueue(store)
    this.signals = new Signals(store)
    const codec = createCookieCodec({ cookieName: options.cookieName, keys: authKeys, sealer })
    this.#reader = new CookieReader(options.cookieName, codec)
    this.#writer = new CookieWriter(options.cookieName, codec)
    this.#timer = options.cleanupInterval === 0
      ? null
      : startTimer({ everySeconds: options.cleanupInterval, work: async (signal) => await this.cleanup({ signal, rest: REST }), onError: (err) => options.log?.error({ err }, 'session cleanup failed; the next run tries again') })
  }

  /** @throws TypeError for a key of this manager's cookies: one key must not serve two purposes */
  rejectOwnKeys (option: string, keys: readonly Buffer[]): void {
    rejectSharedKeys(option, keys, 'authKey', this.#authKeys)
  }

  async start (request: RequestLike, reply: ReplyLike): Promise<RequestSession> {
    const starting = this.#starting.get(request) ?? Promise.resolve(this.open(request, reply))
    this.#starting.set(request, starting)
    return await starting.finally(() => { this.#starting.delete(request) })
  }

  /** `start`, without a promise for visitors. */
  open (request: RequestLike, reply: ReplyLike): RequestSession | Promise<RequestSession> {
    const session = openedSession(request, this)
    if (session !== null) return session
    const cookie = this.#verify(request)
    if (cookie === null) return this.#session(request, reply, null, null, false)
    if (this.options.trustedOrigins !== null) rejectCrossSite(request, this.options.trustedOrigins)
    return this.#load(request, reply, cookie)
  }

  async destroy (request: RequestLike, reply: ReplyLike): Promise<void> {
    const session = await this.start(request, reply)
    await session.destroy()
    this.#writeCookie(session, request, reply)
  }

  async refresh (request: RequestLike, reply: ReplyLike): Promise<void> {
    const session = this.#openedFor(request)
    if (session !== undefined) await this.#refresh(session, request, reply)
  }

  /** `refresh` when the answer leaves, once, without a promise where there is nothing to write. */
  settle (request: RequestLike, reply: ReplyLike): void | Promise<void> {
    const session = this.#openedFor(request)
    // Fastify runs the hook again when another plugin's hook turns the answer into an error
    if (session === undefined || session.isAnswered) return
    session.close()
    return this.#refresh(session, request, reply)
  }

  async regenerate (request: RequestLike, reply: ReplyLike, keepKeys?: readonly string[]): Promise<Session> {
    const session = await this.start(request, reply)
    await session.regenerate(keepKeys)
    this.#writeCookie(session, request, reply)
    return session
  }

  async reauthenticate (request: RequestLike, reply: ReplyLike): Promise<Session> {
    const session = await this.start(request, reply)
    if (session.userId === null && !session.isVolatile) throw new TypeError('reauthenticate: nobody is signed in')
    await session.renew({ keep: 'all', reauthenticates: true })
    this.#writeCookie(session, request, reply)
    return session
  }

  async list (userId: string): Promise<SessionInfo[]> {
    checkUserId(userId)
    const records = await this.store.listByUser(userId)
    return records.map(({ secretHash: _hash, values: _values, version: _version, readAt: _readAt, ...info }) => info)
  }

  async end (sessionId: string, reason = 'ended'): Promise<boolean> {
    if (!isUuid(sessionId)) return false
    const isEnded = await this.store.delete(sessionId)
    if (isEnded) this.tellEnd({ sessionId, reason })
    return isEnded
  }

  async endAll (userId: string, { reason = 'ended', ...options }: { readonly except?: string, readonly reason?: string } = {}): Promise<number> {
    checkUserId(userId)
    // one that is not well-formed would spare nothing, and end what was to be spared
    if (options.except !== undefined && !isUuid(options.except)) throw new TypeError('endAll: "except" must be a session id')
    const ids = await this.store.deleteByUser(userId, options)
    for (const sessionId of ids) this.tellEnd({ sessionId, userId, reason })
    return ids.length
  }

  async block (sessionId: string, reason: string): Promise<boolean> {
    if (!isBlockReason(reason)) throw new TypeError(`block: the reason must be ${BLOCK_REASON}`)
    if (!isUuid(sessionId)) return false
    const isBlocked = await this.store.block(sessionId, reason)
    if (isBlocked) this.tellBlock({ sessionId, reason })
    return isBlocked
  }

  async unblock (sessionId: string): Promise<boolean> {
    return isUuid(sessionId) && await this.store.unblock(sessionId)
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    checkUserId(userId)
    return await this.store.setClaims(userId, copyClaims(claims))
  }

  async cleanup (options?: CleanupOptions): Promise<number> {
    const startedAt = performance.now()
    const count = await this.store.cleanup(options)
    publish(this, 'cleanup', { count, ms: performance.now() - startedAt })
    return count
  }

  on<E extends SessionEventName> (event: E, listener: (message: SessionEventMessage<E>) => void): () => void {
    const unsubscribe = subscribe(this, event, listener)
    const end = (): void => { unsubscribe(); this.#listening.delete(end) }
    this.#listening.add(end)
    return end
  }

  async close (): Promise<void> {
    this.signals.close()
    await this.#timer?.stop()
    await this.store.close()
    for (const end of this.#listening) end()
  }

  /** Tells of a session that was ended from elsewhere. */
  tellEnd (facts: SessionEvents['ended']): void {
    this.signals.fire(facts.sessionId, 'ended')
    publish(this, 'ended', facts)
  }

  /** Tells of a session that was blocked, by whatever statement. */
  tellBlock (facts: SessionEvents['blocked']): void {
    this.signals.fire(facts.sessionId, 'blocked')
    publish(this, 'blocked', facts)
  }

  // – for tokens –

  /** The session of a request that this manager has opened; `null`: none, as on a route that has opted out. */
  opened (request: object): RequestSession | null {
    return openedSession(request, this)
  }

  /** Its lineage has begun: later saves of the request go by the record that came of it. */
  adoptLineage (request: object, record: SessionRecord): void {
    const session = this.opened(request)
    if (session?.id === record.id) session.adopt(record)
  }

  /** Gives the session of a request a new id and ends its lineage: all else stays. @throws SessionGoneError, StoreError */
  async replaceId (request: object): Promise<void> {
    await this.opened(request)?.renew({ keep: 'all', dropsTokens: true })
  }

  /** A session was ended with its tokens. */
  endedByTokens (sessionId: string, reason: string): void {
    this.tellEnd({ sessionId, reason })
  }

  /** What the feed has told: fires the signals of sessions that were ended or blocked, by whatever and wherever. */
  noteRevoked (sessionId: string | null, kind: 'ended' | 'blocked' | 'changed'): void {
    this.signals.noteRevoked(sessionId, kind)
  }

  /** The one cookie of this request that verifies; `null`: none does, or two do. */
  #verify (request: RequestLike): VerifiedCookie | null {
    const found = this.#reader.read(request.headers.cookie)
    if (typeof found !== 'string') return found
    this.#reject(request, found)
    return null
  }

  async #load (request: RequestLike, reply: ReplyLike, cookie: VerifiedCookie): Promise<RequestSession> {
    let record: SessionRecord | null
    try {
      const { id } = cookie.credential
      record = await (this.store.view === undefined ? this.store.get(id) : this.store.view(id))
    } catch (error) {
      return this.#without(request, reply, error)
    }
    const reason = rejectionOf(record, cookie.secretHash)
    return reason === null ? this.#session(request, reply, record, cookie, false) : await this.#refuse(request, reply, cookie, record, reason)
  }

  async #refuse (request: RequestLike, reply: ReplyLike, cookie: VerifiedCookie, record: SessionRecord | null, reason: RejectionReason): Promise<RequestSession> {
    const { id } = cookie.credential
    try {
      // a row edited by hand: nothing of it can be trusted, and no request of its owner would ever work again
      if (reason === 'corrupt' && await this.store.delete(id)) this.tellEnd({ sessionId: id, userId: record?.userId ?? null, reason: 'corrupt' })
    } catch (error) {
      return this.#without(request, reply, error)
    }
    this.#reject(request, reason, id)
    return this.#session(request, reply, null, cookie, false)
  }

  /** The store has failed. @throws what it said, unless strangers are to be answered then */
  #without (request: RequestLike, reply: ReplyLike, error: unknown): RequestSession {
    const policy = request.routeOptions?.config?.onStoreError ?? this.options.onStoreError
    if (!(error instanceof StoreError) || policy !== 'anonymous') throw error
    request.log.error({ err: error }, 'session storage failed; answering as to a stranger')
    return this.#session(request, reply, null, null, true)
  }

  #session (request: RequestLike, reply: ReplyLike, record: SessionRecord | null, presented: VerifiedCookie | null, isVolatile: boolean): RequestSession {
    const row = new SessionRow(this, request, reply, record, presented?.credential ?? null)
    const session = new RequestSession(this, row, new SessionCookie(row, this.options, presented), isVolatile)
    setOpened(request, session)
    return session
  }

  #openedFor (request: RequestLike): RequestSession | undefined {
    const session = openedSession(request, this)
    return session === null || session.isVolatile ? undefined : session
  }

  #refresh (session: RequestSession, request: RequestLike, reply: ReplyLike): void | Promise<void> {
    if (session.writes.isBusy || session.needsWrite || session.isSlideDue) return this.#save(session, request, reply)
    this.#writeCookie(session, request, reply)
  }

  async #save (session: RequestSession, request: RequestLike, reply: ReplyLike): Promise<void> {
    try {
      if (session.writes.isBusy) await session.writes.settled()
      if (!session.needsWrite) {
        if (session.isSlideDue) await session.slide()
      } else if (session.failure === null) await session.save()
      else throw session.failure
    } catch (error) {
      if (error instanceof SessionGoneError) {
        request.log.info({ sessionId: session.id }, 'the session ended while this request was in flight; its changes are dropped')
      } else if (error instanceof StoreError && !session.needsWrite) {
        // a slide that fails costs nobody anything: the next request tries again
        request.log.warn({ err: error, sessionId: session.id }, 'the session expiry could not be moved')
        return
      } else {
        throw error
      }
    }
    this.#writeCookie(session, request, reply)
  }

  #writeCookie (session: RequestSession, request: RequestLike, reply: ReplyLike): void {
    if (session.isGone) { dropSetCookie(reply, this.options.cookieName); return }
    const cookie = session.cookie.toSend()
    if (cookie !== null) this.#writer.write(cookie, request, reply)
  }

  #reject (request: RequestLike, reason: RejectionReason, sessionId?: string): void {
    request.log.debug({ reason, sessionId }, 'session cookie not accepted')
    publish(this, 'rejected', { reason, clientIp: request.ip, ...(sessionId !== undefined && { sessionId }) })
  }
}
