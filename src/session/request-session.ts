import { SessionAnsweredError, SessionGoneError, StoreError } from '../core/errors.js'
import { Changes } from './changes.js'
import type { Session, SessionCookieOptions } from './session.js'
import type { SessionCookie } from './session-cookie.js'
import type { Renewal, SessionHost, SessionRow } from './row.js'
import { checkUserId, copyClaims, NO_CLAIMS } from './sign-in.js'
import type { SignIn } from './sign-in.js'
import type { Claims, Json, JsonObject, SessionRecord, ValuesPatch } from './store.js'
import { checkKey, copyValue, deepFreeze } from './values.js'
import { Writes } from './writes.js'

/** `ending`: ends with the answer. `ended`: by this request. `gone`: by another. */
type State = 'open' | 'ending' | 'ended' | 'gone'

const NOTHING: JsonObject = Object.freeze({})

/**
 * The session of one request: keeps what it changes, and hands the row the patch to write.
 *
 * The promises stand at the interface, `Session`; what the manager reads stands below the line.
 */
export class RequestSession implements Session<Record<string, unknown>> {
  // private without exception: an application may log its session, or send it
  readonly #host: SessionHost
  readonly #cookie: SessionCookie
  readonly #isVolatile: boolean
  readonly #row: SessionRow
  readonly #openedAt = Date.now()
  #state: State = 'open'
  #changes: Changes
  #signIn: SignIn | null = null
  #isTouched = false
  #isAnswered = false
  /** It has failed this request once: the answer does not wait for it again. */
  #isStoreAway = false
  #never: AbortSignal | null = null
  #failure: unknown = null
  readonly #writes = new Writes()

  /** @param isVolatile the session could not be loaded, and `onStoreError` is 'anonymous': nothing is stored, no cookie touched */
  constructor (host: SessionHost, row: SessionRow, cookie: SessionCookie, isVolatile: boolean) {
    this.#host = host
    this.#cookie = cookie
    this.#isVolatile = isVolatile
    this.#row = row
    this.#changes = new Changes(row.record?.values ?? NOTHING)
  }

  get id (): string { return this.#stored?.id ?? this.#row.next.id }
  get userId (): string | null { return this.#signIn === null ? this.#row.record?.userId ?? null : this.#signIn.userId }
  get createdAt (): Date { return new Date(this.#stored?.createdAt ?? this.#openedAt) }
  get expiresAt (): Date { return new Date(this.#stored?.expiresAt ?? this.#openedAt + this.#row.idleSeconds * 1000) }
  get values (): JsonObject { return this.#changes.all() }
  get isNew (): boolean { return this.#stored === null }

  get claims (): Readonly<Claims> {
    const claims = this.#signIn?.claims ?? this.#row.record?.claims ?? NO_CLAIMS
    deepFreeze(claims as JsonObject) // neither JSON nor copyClaims leaves a claim that is undefined
    return claims
  }

  get signal (): AbortSignal {
    if (this.#stored !== null) return this.#row.signal
    this.#never ??= new AbortController().signal // what is not stored does not end
    return this.#never
  }

  setUserId (userId: string | null, claims: Claims = NO_CLAIMS): void {
    this.#assertStorable('setUserId')
    this.#beforeChange()
    if (userId !== null) checkUserId(userId)
    if (userId === null && this.userId === null) return
    const copied = copyClaims(claims)
    const isSame = this.userId === null || this.userId === userId
    const carries = this.#state === 'open' && userId !== null && isSame
    if (!carries) this.#changes = new Changes(NOTHING)
    // once dropped in this request, the row's values stay dropped
    this.#signIn = { userId, claims: copied, carries: carries && this.#signIn?.carries !== false }
    this.#row.redraw()
    this.#state = 'open'
  }

  get (key: string): Json | undefined { return this.#changes.get(key) }

  set (key: unknown, value: unknown): void {
    this.#assertOpen()
    this.#beforeChange()
    checkKey(key)
    if (value !== undefined) this.#changes.set(key, copyValue(key, value))
    else if (this.#row.record === null) this.#changes.forget(key)
    else this.#changes.unset(key)
  }

  has (key: string): boolean { return this.#changes.get(key) !== undefined }

  delete (...keys: [] | [key: string]): void {
    this.#assertOpen()
    if (keys.length > 0) {
      this.set(keys[0], undefined)
      return
    }
    this.#assertStorable('delete')
    this.#beforeChange()
    this.#state = 'ending'
  }

  async update<R> (key: string, fn: (value: Json | undefined) => R): Promise<R> {
    this.#assertStorable('update')
    this.#assertOpen()
    if (this.#stored === null) this.#beforeChange()
    checkKey(key)
    return await this.#writes.track(this.#noting(async () => {
      for (;;) {
        const { id, secretHash } = this.#stored ?? await this.#exclusively(async () => this.#stored ?? await this.#begin(new Changes(NOTHING)))
        try {
          const { record, value } = await this.#host.updates.run({ id, secretHash, idleSeconds: this.#row.idleSeconds }, key, fn)
          if (this.#row.has(secretHash)) this.adopt(record)
          return value as R // deep-equal to what fn returned: copyValue refuses the rest
        } catch (error) {
          if (!(error instanceof SessionGoneError)) throw error
          await this.#writes.turnsOver()
          // renewed by this very request: the update is for what it has become
          if (this.#state !== 'open' || this.#row.has(secretHash)) throw error
        }
      }
    }))
  }

  data (): Record<string, Json> { return { ...this.#changes.all() } }
  touch (): void { this.#isTouched = true }
  options (cookieOptions: SessionCookieOptions): void { this.#cookie.configure(cookieOptions) }
  isModified (): boolean { return this.#state === 'ending' || this.#signIn !== null || !this.#changes.isEmpty || (this.#stored !== null && this.#row.maxAge !== undefined) }
  isSaved (): boolean { return this.#stored !== null && !this.isModified() }

  async save (): Promise<void> {
    this.#assertStorable('save')
    this.#failure = null
    try {
      await this.#exclusively(() => this.#write())
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  async reload (): Promise<void> {
    this.#assertStorable('reload')
    await this.#exclusively(async () => {
      if (this.#state !== 'ending') this.#assertOpen()
      const seen = this.#row.record
      const record = seen && await this.#host.store.get(seen.id)
      if (seen !== null && (record === null || !Buffer.from(record.secretHash).equals(seen.secretHash))) throw new SessionGoneError()
      this.#failure = null
      this.#signIn = null
      this.#row.maxAge = undefined
      this.#state = 'open'
      if (record !== null) this.#row.adopt(record)
      this.#changes = new Changes(this.#row.record?.values ?? NOTHING)
    })
  }

  async regenerate (keepKeys: readonly string[] = []): Promise<void> {
    await this.renew({ keep: keepKeys })
  }

  async destroy (): Promise<void> {
    this.#assertStorable('destroy')
    await this.#exclusively(async () => { await this.#end() })
  }

  // – for the manager –

  /** `regenerate` with all that it can do. */
  async renew (renewal: Renewal): Promise<void> {
    const { keep } = renewal
    this.#assertStorable('regenerate')
    this.#beforeChange()
    await this.#exclusively(async () => {
      this.#assertOpen()
      this.#row.redraw()
      if (this.#stored !== null) {
        const changes = this.#changes
        const dropped = changes.toPatch()
        const record = await this.#row.renew(renewal, keep === 'all' ? dropped : changes.toPatch(keep))
        changes.settle(dropped)
        this.adopt(record)
        return
      }
      if (keep === 'all') return
      this.#changes.keepOnly(keep)
      if (this.#signIn !== null) {
        // a new session begins anyway; what is kept of the old row's values goes along as changes
        this.#changes.detach()
        this.#signIn = { ...this.#signIn, carries: false }
      }
    })
  }

  /** Takes over the record as a later read or write has found it. */
  adopt (record: SessionRecord): void {
    this.#isTouched = false
    if (this.#row.adopt(record)) this.#changes.rebase(record.values)
  }

  /** The store has ended the session on behalf of this request: its cookie is cleared with the answer. */
  noteEnd (): void {
    this.#row.forget()
    this.#signIn = null
    this.#cookie.clear()
    this.#changes = new Changes(NOTHING)
    this.#state = 'ended'
  }

  get host (): SessionHost { return this.#host }
  /** As last read or written; `null`: nothing is stored. */
  get record (): SessionRecord | null { return this.#row.record }
  get cookie (): SessionCookie { return this.#cookie }
  get isVolatile (): boolean { return this.#isVolatile }
  /** Whether the answer has to wait for a write that must not fail. */
  get needsWrite (): boolean {
    if (this.#isVolatile || this.#state === 'gone' || this.#state === 'ended') return false
    return this.isModified()
  }

  /**
   * Why the last save failed, where nothing has changed since; `null`: it did not. The answer is not kept waiting for the
   * same save again, which might succeed after the handler has told of the failure.
   */
  get failure (): unknown { return this.#failure }

  /** Whether this request is to move the expiry. */
  get isSlideDue (): boolean {
    const record = this.#state === 'open' && !this.#isVolatile ? this.#stored : null
    if (record === null || this.#isStoreAway) return false
    // a cookie is sent for a session that is known to live: a late one must not wipe what a sign-in has just set
    return this.#isTouched || this.#cookie.isDue || record.readAt.getTime() - record.lastSeenAt.getTime() >= this.#host.options.refreshInterval * 1000
  }

  /** Ended since this request loaded it: no cookie may be sent. */
  get isGone (): boolean { return this.#state === 'gone' }

  /** Busy when the answer leaves: the handler has not waited for a write of its own. */
  get writes (): Writes { return this.#writes }
  get isAnswered (): boolean { return this.#isAnswered }

  /** The answer leaves: what is changed from now on would be lost, and is refused. */
  close (): void { this.#isAnswered = true }

  /** Moves the expiry. @throws SessionGoneError, StoreError */
  async slide (): Promise<void> { await this.#exclusively(async () => { this.adopt(await this.#row.save()) }) }

  /** The record, unless a new session is about to take its place. */
  get #stored (): SessionRecord | null { return this.#signIn === null ? this.#row.record : null }

  #assertStorable (operation: string): void {
    if (this.#isVolatile) throw new StoreError(operation)
  }

  #assertOpen (): void {
    if (this.#state !== 'open') throw new SessionGoneError()
  }

  #beforeChange (): void {
    if (this.#isAnswered) throw new SessionAnsweredError()
    this.#failure = null
  }

  #exclusively<T> (work: () => Promise<T>): Promise<T> {
    return this.#writes.inTurn(() => this.#noting(work))
  }

  async #noting<T> (work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof SessionGoneError && this.#state === 'open') this.#state = 'gone'
      if (error instanceof StoreError) this.#isStoreAway = true
      throw error
    }
  }

  async #write (): Promise<void> {
    if (this.#state === 'ending') return await this.#end()
    this.#assertOpen()
    if (this.#signIn?.userId === null && this.#changes.isEmpty) {
      await this.#row.remove()
      this.#signIn = null
      this.#cookie.clear()
    } else if (this.#signIn !== null || (this.#row.record === null && !this.#changes.isEmpty)) {
      await this.#begin(this.#changes)
    } else if (this.#row.record !== null && (!this.#changes.isEmpty || this.#isTouched || this.#row.maxAge !== undefined)) {
      await this.#commit(this.#changes, (patch) => this.#row.save(patch))
    }
  }

  async #begin (changes: Changes): Promise<SessionRecord> {
    const signIn = this.#signIn
    const record = await this.#commit(changes, (patch) => this.#row.begin(signIn, patch))
    if (this.#signIn === signIn) this.#signIn = null
    return record
  }

  /** Writes the changes; those made meanwhile stay pending, and all do if it fails. */
  async #commit (changes: Changes, write: (patch: ValuesPatch) => Promise<SessionRecord>): Promise<SessionRecord> {
    const patch = changes.toPatch()
    const record = await write(patch)
    changes.settle(patch)
    this.adopt(record)
    return record
  }

  async #end (): Promise<void> {
    await this.#row.remove()
    this.noteEnd()
  }
}
