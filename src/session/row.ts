import { equalHashes, hashSecret, newId, newSecret } from '../core/credential.js'
import type { Credential } from '../core/credential.js'
import { SessionGoneError } from '../core/errors.js'
import { publish } from './events.js'
import type { ResolvedManagerOptions } from './options.js'
import { cleanUserAgent } from './origin.js'
import type { SessionOrigin } from './origin.js'
import { NO_CLAIMS } from './sign-in.js'
import type { SignIn } from './sign-in.js'
import type { Signals } from './signals.js'
import type { SessionRecord, Store, ValuesPatch } from './store.js'
import type { UpdateQueue } from './update-queue.js'

/** What the sessions of one manager share. Holds no key: events lead to it, and applications log them. */
export interface SessionHost {
  readonly store: Store
  readonly options: Omit<ResolvedManagerOptions, 'authKeys' | 'sealer'>
  readonly updates: UpdateQueue
  readonly signals: Signals
}

const NO_PATCH: ValuesPatch = Object.freeze({ set: Object.freeze({}), unset: Object.freeze([]) })

/**
 * The row behind one request's session: the record last seen, the credential that leads to it, and the five ways to
 * write it. Each is one call of the store, and tells the events and signals that go with it.
 */
export class SessionRow {
  readonly #host: SessionHost
  readonly #origin: SessionOrigin
  #record: SessionRecord | null
  #credential: Credential | null
  #next: { readonly id: string, readonly secret: Buffer } | null = null
  #signal: AbortSignal | null = null
  /** The credential is newer than the cookie that the browser has. */
  #isReissued = false
  /** The session's own idle lifetime, as it shall become; `undefined`: as it is. */
  maxAge: number | null | undefined

  constructor (host: SessionHost, origin: SessionOrigin, record: SessionRecord | null, credential: Credential | null) {
    this.#host = host
    this.#origin = origin
    this.#record = record
    this.#credential = credential
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
    if (this.#record !== null && this.has(record.secretHash) && record.version < this.#record.version) return false
    this.#record = record
    return true
  }

  /** Stores a session that begins: a visitor's first, or that of a user who signs in, in place of the row there is. */
  async begin (signIn: SignIn | null, patch: ValuesPatch): Promise<SessionRecord> {
    const { options, store } = this.#host
    const replaced = this.#record
    const { id, secret } = this.next
    const record = await store.create({
      ...patch,
      id,
      secretHash: hashSecret(secret),
      userId: signIn?.userId ?? null,
      claims: signIn?.claims ?? NO_CLAIMS,
      maxAge: this.maxAge ?? null,
      idleSeconds: this.maxAge ?? options.maxAge,
      absoluteSeconds: options.absoluteMaxAge,
      userAgent: options.recordDevice ? cleanUserAgent(this.#origin.userAgent) : null,
      clientIp: options.recordDevice ? this.#origin.clientIp : null,
      ...(replaced !== null && { replaces: { id: replaced.id, secretHash: replaced.secretHash, carry: signIn?.carries === true ? replaced.values : null } })
    })
    this.#take(record, secret, false)
    this.#signal = null
    this.#tellBegin(record, replaced)
    return record
  }

  /** Saves changes, or, with an empty patch, slides. @throws SessionGoneError */
  async save (patch: ValuesPatch = NO_PATCH): Promise<SessionRecord> {
    const { id, secretHash } = this.#current()
    const saved = await this.#host.store.save(id, secretHash, {
      ...patch, idleSeconds: this.idleSeconds, ...(this.maxAge !== undefined && { maxAge: this.maxAge })
    })
    if (saved === null) throw new SessionGoneError()
    this.maxAge = undefined
    this.adopt(saved)
    return saved
  }

  /** Gives the session a new credential. @throws SessionGoneError */
  async renew (keep: readonly string[], patch: ValuesPatch): Promise<SessionRecord> {
    const { id, secretHash } = this.#current()
    const { id: nextId, secret } = this.next
    const saved = await this.#host.store.save(id, secretHash, {
      ...patch, idleSeconds: this.idleSeconds, renew: { id: nextId, secretHash: hashSecret(secret), keep }
    })
    if (saved === null) throw new SessionGoneError()
    this.#take(saved, secret, this.#credential?.browserSession ?? false)
    this.#host.signals.rename(id, saved.id)
    publish(this.#host, 'regenerated', { sessionId: saved.id, previousId: id })
    return saved
  }

  /** Ends the session, if there is one. */
  async remove (): Promise<void> {
    if (this.#record === null) return
    const { id } = this.#record
    const wasThere = await this.#host.store.delete(id)
    this.#record = null
    this.#credential = null
    this.#next = null
    this.maxAge = undefined
    this.#host.signals.fire(id, 'ended')
    if (wasThere) publish(this.#host, 'destroyed', { sessionId: id })
  }

  /** Fires when the session ends; forgotten when the connection is over. One that begins has one of its own. */
  get signal (): AbortSignal {
    this.#signal ??= this.#watch()
    return this.#signal
  }

  #watch (): AbortSignal {
    const { signal, release } = this.#host.signals.watch(this.#current().id)
    this.#origin.onClose(release)
    return signal
  }

  #current (): SessionRecord {
    if (this.#record === null) throw new SessionGoneError()
    return this.#record
  }

  #take (record: SessionRecord, secret: Buffer, browserSession: boolean): void {
    this.#record = record
    this.#credential = { id: record.id, secret, issuedAt: record.readAt.getTime(), browserSession }
    this.#next = null
    this.#isReissued = true
    if (this.maxAge === record.maxAge) this.maxAge = undefined
  }

  #tellBegin (record: SessionRecord, replaced: SessionRecord | null): void {
    const { id: sessionId, userId, clientIp } = record
    publish(this.#host, 'created', { sessionId, userId, clientIp })
    if (userId !== null) publish(this.#host, 'signedIn', { sessionId, userId, clientIp })
    if (replaced === null) return
    this.#host.signals.fire(replaced.id, 'ended')
    publish(this.#host, 'ended', { sessionId: replaced.id })
  }
}
