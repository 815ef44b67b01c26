import { equalHashes, hashSecret, newId, newSecret } from '../core/credential.js'
import type { Credential } from '../core/credential.js'
import { SessionGoneError } from '../core/errors.js'
import { publish, type SessionEvents } from './events.js'
import type { ResolvedManagerOptions } from './options.js'
import { type Answered, type Asked, clientIpOf, userAgentOf } from './origin.js'
import { recordAfter } from './save-news.js'
import { NO_CLAIMS } from './sign-in.js'
import type { SignIn } from './sign-in.js'
import type { Signals } from './signals.js'
import type { SessionChange, SessionRecord, Store, ValuesPatch } from './store.js'
import type { UpdateQueue } from './update-queue.js'

/** What the sessions of one manager share. Holds no key: events lead to it, and applications log them. */
export interface SessionHost {
  readonly store: Store
  readonly options: Omit<ResolvedManagerOptions, 'authKeys' | 'sealer'>
  readonly updates: UpdateQueue
  readonly signals: Signals
  tellEnd (facts: SessionEvents['ended']): void
}

/** What a renewal does besides the new credential. */
export type Renewal = Omit<NonNullable<SessionChange['renew']>, 'id' | 'secretHash'>

const NO_PATCH: ValuesPatch = Object.freeze({ set: Object.freeze({}), unset: Object.freeze([]) })

/**
 * The row behind one request's session: the record last seen, the credential that leads to it (or has led to no live one), and
 * the five ways to write it. Each is one call of the store, and tells the events and signals that go with it.
 */
export class SessionRow {
  readonly #host: SessionHost
  readonly #request: Asked
  readonly #reply: Answered
  #record: SessionRecord | null
  #credential: Credential | null
  #next: { readonly id: string, readonly secret: Buffer } | null = null
  #signal: AbortSignal | null = null
  #hasDefaultLife: boolean
  /** The `maxAge` that was saved and that the row did not take: its life is that of its tokens. */
  #cookieLife: number | null = null
  /** The credential is newer than the cookie that the browser has. */
  #isReissued = false
  /** The session's own idle lifetime, as it shall become; `undefined`: as it is. */
  maxAge: number | null | undefined

  constructor (host: SessionHost, request: Asked, reply: Answered, record: SessionRecord | null, credential: Credential | null) {
    this.#host = host
    this.#request = request
    this.#reply = reply
    this.#record = record
    this.#credential = credential
    this.#hasDefaultLife = credential?.defaultLife === true || record === null || record.maxAge === null
  }

  get record (): SessionRecord | null { return this.#record }
  get credential (): Credential | null { return this.#credential }
  get isReissued (): boolean { return this.#isReissued }

  /** The identity of the session that begins next; drawn when it is first asked for. */
  get next (): { readonly id: string, readonly secret: Buffer } {
    this.#next ??= { id: newId(), secret: newSecret() }
    return this.#next
  }

  /** Seconds that the session lives on after a use. */
  get idleSeconds (): number {
    const own = this.maxAge === undefined ? this.#record?.maxAge ?? null : this.maxAge
    return own ?? this.#host.options.maxAge
  }

  /**
   * Whether nobody has given the session a life of its own but its tokens, which leave that of the cookie alone. The cookie
   * says so, because the row then has the life of the tokens.
   */
  get hasDefaultLife (): boolean { return this.maxAge === undefined ? this.#hasDefaultLife : this.maxAge === null }

  /** Seconds that a cookie lives that is sent now. */
  get cookieSeconds (): number { return this.#cookieLife ?? (this.hasDefaultLife ? this.#host.options.maxAge : this.idleSeconds) }

  /** Draws another identity for the session that begins next. */
  redraw (): void {
    this.#next = null
  }

  /** Whether this is the secret of the session as it is now. */
  has (secretHash: Uint8Array): boolean {
    return this.#record !== null && equalHashes(this.#record.secretHash, secretHash)
  }

  /** The record, as a read or write has found it. `false`: an answer that a later one has overtaken. */
  adopt (record: SessionRecord): boolean {
    if (this.#record !== null && record.version < this.#record.version && this.has(record.secretHash)) return false
    this.#record = record
    return true
  }

  /** Stores a session that begins: a visitor's first, or that of a user who signs in, in place of the row there is. */
  async begin (signIn: SignIn | null, patch: ValuesPatch): Promise<SessionRecord> {
    const { options, store } = this.#host
    const replaced = this.#record
    const { id, secret } = this.next
    const userId = signIn?.userId ?? null
    const { evicted = [], replaced: hasReplaced = false, ...record } = await store.create({
      ...patch,
      id,
      secretHash: hashSecret(secret),
      userId,
      claims: signIn?.claims ?? NO_CLAIMS,
      maxAge: this.maxAge ?? null,
      idleSeconds: this.maxAge ?? options.maxAge,
      absoluteSeconds: options.absoluteMaxAge,
      ...(userId !== null && options.maxSessionsPerUser > 0 && { atMost: options.maxSessionsPerUser }),
      userAgent: options.recordDevice ? userAgentOf(this.#request) : null,
      clientIp: options.recordDevice ? clientIpOf(this.#request) : null,
      ...(replaced !== null && { replaces: { id: replaced.id, secretHash: replaced.secretHash, carry: signIn?.carries === true ? replaced.values : null } })
    })
    this.#hasDefaultLife = record.maxAge === null
    this.#take(record, secret, false)
    this.#signal = null
    this.#tellBegin(record)
    if (replaced !== null && hasReplaced) this.#host.tellEnd({ sessionId: replaced.id, userId: replaced.userId, reason: signIn?.userId === null ? 'logout' : 'replaced' })
    for (const sessionId of evicted) this.#host.tellEnd({ sessionId, userId, reason: 'evicted' })
    return record
  }

  /** Saves changes, or, with an empty patch, slides. @throws SessionGoneError */
  async save ({ set, unset }: ValuesPatch = NO_PATCH): Promise<SessionRecord> {
    const seen = this.#current()
    const { id, secretHash } = seen
    const { idleSeconds, maxAge: asked } = this
    const { store } = this.#host
    const saved = asked === undefined && store.saveSeen !== undefined
      ? recordAfter(await store.saveSeen(seen, { set, unset, idleSeconds }), seen, { set, unset })
      : await store.save(id, secretHash, asked === undefined ? { set, unset, idleSeconds } : { set, unset, idleSeconds, maxAge: asked })
    if (saved === null) throw new SessionGoneError()
    const isTaken = asked === undefined || saved.maxAge === (asked && Math.ceil(asked))
    this.#cookieLife = isTaken ? null : asked
    if (isTaken && asked !== undefined) this.#hasDefaultLife = asked === null
    if (this.maxAge === asked) this.maxAge = undefined // else another has been asked for since, and is still to be saved
    this.adopt(saved)
    return saved
  }

  /** Gives the session a new credential. @throws SessionGoneError */
  async renew (renewal: Renewal, patch: ValuesPatch): Promise<SessionRecord> {
    const { store, signals } = this.#host
    const { id, secretHash } = this.#current()
    const { id: nextId, secret } = this.next
    const renew = { ...renewal, id: nextId, secretHash: hashSecret(secret) }
    const saved = await signals.following(id, async () => {
      const saved = await store.save(id, secretHash, { ...patch, idleSeconds: this.idleSeconds, renew })
      if (saved === null) throw new SessionGoneError()
      return saved
    })
    this.#take(saved, secret, this.#credential?.browserSession ?? false)
    publish(this.#host, 'regenerated', { sessionId: saved.id, previousId: id })
    return saved
  }

  /**
   * Ends the session, if there is one. One that is blocked was refused when it was asked for, and ends as well: a block that
   * is lifted later must not sign in who has signed out. That it is theirs, only the secret of their cookie says.
   */
  async remove (): Promise<void> {
    const { store, signals } = this.#host
    const refused = this.#record === null ? this.#credential : null
    const id = (this.#record ?? refused)?.id
    if (id === undefined) return
    const wasThere = refused === null ? await store.delete(id) : await store.delete(id, hashSecret(refused.secret))
    this.forget()
    if (wasThere || refused === null) signals.fire(id, 'ended')
    if (wasThere) publish(this.#host, 'destroyed', { sessionId: id })
  }

  /** There is no session any more. */
  forget (): void {
    this.#record = null
    this.#credential = null
    this.#next = null
    this.maxAge = undefined
  }

  /** Fires when the session ends; forgotten when the connection is over. One that begins has one of its own. */
  get signal (): AbortSignal {
    this.#signal ??= this.#watch()
    return this.#signal
  }

  #watch (): AbortSignal {
    const { signal, release } = this.#host.signals.watch(this.#current().id)
    this.#reply.raw.once('close', release)
    return signal
  }

  #current (): SessionRecord {
    if (this.#record === null) throw new SessionGoneError()
    return this.#record
  }

  #take (record: SessionRecord, secret: Buffer, browserSession: boolean): void {
    this.#record = record
    this.#credential = { id: record.id, secret, issuedAt: record.readAt.getTime(), browserSession, defaultLife: this.#hasDefaultLife }
    this.#next = null
    this.#isReissued = true
    if (this.maxAge === record.maxAge) this.maxAge = undefined
  }

  #tellBegin ({ id: sessionId, userId, clientIp }: SessionRecord): void {
    publish(this.#host, 'created', { sessionId, userId, clientIp })
    if (userId !== null) publish(this.#host, 'signedIn', { sessionId, userId, clientIp })
  }
}
