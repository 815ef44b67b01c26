/**
 * What a storage of sessions promises. Types only; `silverback/testing` holds the suite that checks every promise.
 *
 * @module
 */

/** What a session value may be: what JSONB gives back exactly. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject { readonly [key: string]: Json }

/** Facts about the user that are set at sign-in and stand on the session row. */
export interface Claims {
  readonly isAdmin?: boolean
  readonly roles?: readonly string[]
  readonly [claim: string]: Json | undefined
}

/** One session as stored. */
export interface SessionRecord {
  /** UUID v4. A handle, not a credential. */
  readonly id: string
  /**
   * SHA-256 of the secret in the cookie, 32 bytes. The store never sees the secret. In a record it may be a view of memory
   * that is used for other things too: who keeps it, or hands it to another thread, copies it.
   */
  readonly secretHash: Uint8Array
  readonly userId: string | null
  /** In any order. What a hand in the database has made no object, a manager takes for a broken session, and ends it. */
  readonly values: JsonObject
  readonly claims: Claims
  readonly createdAt: Date
  /** First instant at which the session is dead unless it is used: `expiresAt <= now` is expired. */
  readonly expiresAt: Date
  /** The end that nothing moves. `expiresAt` is never later. */
  readonly absoluteExpiresAt: Date
  /** The last save or slide. */
  readonly lastSeenAt: Date
  /** When the user proved who they are; `null` for a visitor. */
  readonly authenticatedAt: Date | null
  /** The session's own idle lifetime in seconds; `null`: the manager's `maxAge`. */
  readonly maxAge: number | null
  readonly userAgent: string | null
  readonly clientIp: string | null
  readonly blockedAt: Date | null
  readonly blockedReason: string | null
  /** Grows by one with every change of the values. A slide does not count. */
  readonly version: number
  /** The store's clock when this record was read. Ages are measured against it, never against the application's clock. */
  readonly readAt: Date
}

/** A session as it was stored first. */
export interface CreatedRecord extends SessionRecord {
  /** The ids of the sessions that have ended for `atMost`, in any order. Absent: none has. */
  readonly evicted?: readonly string[]
  /** The session that it `replaces` was there, and has ended with this: of several sign-ins at once one tells so. Absent: not. */
  readonly replaced?: true
}

/** A patch of the values: keys to set and keys to remove. A key stands in one of the two. */
export interface ValuesPatch {
  readonly set: JsonObject
  readonly unset: readonly string[]
}

/** A session that begins. */
export interface NewSession extends ValuesPatch {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly userId: string | null
  readonly claims: Claims
  /** The session's own idle lifetime in seconds, or `null`. */
  readonly maxAge: number | null
  /** Seconds from now to `expiresAt`, capped by the absolute end. */
  readonly idleSeconds: number
  /** Seconds from now to `absoluteExpiresAt`. */
  readonly absoluteSeconds: number
  /**
   * Most sessions that the user may have with this one: those beyond, the least recently seen first, end in the same
   * step. Blocked ones count. Absent: no limit.
   */
  readonly atMost?: number
  readonly userAgent: string | null
  readonly clientIp: string | null
  /** The session that this one replaces in the same statement: at sign-in. */
  readonly replaces?: {
    readonly id: string
    readonly secretHash: Uint8Array
    /**
     * `null`: the old values are dropped. Else the old row's values come along, and where another sign-in has taken
     * the row already, these: the values as this request saw them.
     */
    readonly carry: JsonObject | null
  }
}

/** What `save` writes. With an empty patch and nothing else it is a slide. */
export interface SessionChange extends ValuesPatch {
  /** Seconds from now to the new `expiresAt`, for a session without a `maxAge` of its own; capped by the absolute end. */
  readonly idleSeconds: number
  /**
   * A new idle lifetime of the session's own; absent: unchanged. The row's own, as it is then, goes before `idleSeconds`.
   * A session that refresh tokens name keeps the one that it has from them, unless they are dropped.
   */
  readonly maxAge?: number | null
  /** `regenerate`: a new id and secret. */
  readonly renew?: {
    /** Taken by a session without refresh tokens; one that they name keeps its id, unless `dropsTokens`. */
    readonly id: string
    readonly secretHash: Uint8Array
    /** Of the stored values only these keys stay, or all; then the patch applies. */
    readonly keep: readonly string[] | 'all'
    /** The lineage of refresh tokens ends, and access tokens that name the old id are refused. Default `false`. */
    readonly dropsTokens?: boolean
    /** The user has just proved who they are: `authenticatedAt` becomes now. Default `false`. */
    readonly reauthenticates?: boolean
  }
}

/** A change of the values, or, with an empty patch, a slide. */
export type PlainChange = Omit<SessionChange, 'maxAge' | 'renew'> & { readonly maxAge?: never, readonly renew?: never }

/**
 * What there is to tell of a save where nothing else had changed: the session is as it was seen, with the patch, a version
 * more if there was one, and these.
 */
export interface SaveNews {
  /** On the store's clock: `lastSeenAt`, and `readAt`. */
  readonly savedAt: Date
  readonly expiresAt: Date
}

export interface CleanupOptions {
  /** Rows a batch. 1 or more. Default 1,000. */
  readonly batchSize?: number
  /** Milliseconds of work after which no further batch begins. Default 30,000. */
  readonly budgetMs?: number
  /** How many times as long as a batch has taken the run rests before the next, so that requests go first. 0–100. Default 0. */
  readonly rest?: number
  /** Ends the run before its next batch. */
  readonly signal?: AbortSignal
  /** Called after each batch with the number removed so far. */
  readonly onBatch?: (removed: number) => void
}

/**
 * Keeps sessions; knows nothing of cookies, signatures or HTTP.
 *
 * Unknown, expired and blocked are answers, not errors: a method rejects with `StoreError` (`ERR_STORE`) only when the
 * storage itself fails. The store's own clock decides what is expired. What a method returned may be changed by the
 * caller without changing what is stored.
 */
export interface Store {
  /**
   * Inserts a session, and ends the one it `replaces` and those beyond `atMost`, in one step. The only insert.
   *
   * Always begins a session of its own: when the replaced one is already gone (another sign-in took it), too.
   * @throws SessionTooLargeError `ERR_SESSION_TOO_LARGE`; nothing is stored and nothing is replaced
   */
  create (session: NewSession): Promise<CreatedRecord>
  /** Resolves to the live session, or to `null`: unknown, expired or blocked. Sees what was committed before the call. */
  get (id: string): Promise<SessionRecord | null>
  /**
   * As `get`, for a caller that changes nothing of what it is given: all of the record may be shared with others, and values
   * and claims be frozen. A store may do without this method: then `get` is called instead. What stands in front of a store that
   * has it must see to both.
   */
  view? (id: string): Promise<SessionRecord | null>
  /**
   * Applies a change to a live session whose secret is still `secretHash`; resolves to the result, or to `null`: gone.
   * Never inserts, so it never brings a session back. Saves of different keys all survive; of one key the last wins.
   * @throws SessionTooLargeError `ERR_SESSION_TOO_LARGE` when the merged values are over 256 KiB; nothing is written
   */
  save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null>
  /**
   * As `save`, by who knows the session: `seen` is its record as this store has given it, or as it was made of one and of
   * news. Where nothing of the session has changed since, whoever did it, the answer may be no more than the news. A store
   * may do without this method: then `save` is called instead. What stands in front of a store that has it must see to both.
   */
  saveSeen? (seen: SessionRecord, change: PlainChange): Promise<SessionRecord | SaveNews | null>
  /**
   * Ends a session; where a hash is given, only one of that secret. Resolves to whether there was one that had not expired
   * (a blocked one counts).
   */
  delete (id: string, secretHash?: Uint8Array): Promise<boolean>
  /** Removes what has expired, in small batches; resolves to how many. Safe to run on many machines: one works. */
  cleanup (options?: CleanupOptions): Promise<number>

  // – for `update`, user management and shutdown –

  /** Like `save`, but only while the stored `version` is this one; `'conflict'`: it is not, and nothing was written. */
  compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null>
  /** The user's sessions that have not expired, blocked ones included, the most recently seen first. */
  listByUser (userId: string): Promise<SessionRecord[]>
  /** Ends the user's sessions; resolves to their ids. A sign-in that is being stored meanwhile is waited for and ended too. */
  deleteByUser (userId: string, options?: { readonly except?: string }): Promise<string[]>
  /** Freezes a session that has not expired: kept, and refuses everything. Resolves to whether there is such a session. */
  block (id: string, reason: string): Promise<boolean>
  /** Lifts a block. Resolves to whether there is such a session. */
  unblock (id: string): Promise<boolean>
  /** Replaces the claims on all sessions of a user that have not expired; resolves to their number. */
  setClaims (userId: string, claims: Claims): Promise<number>
  /** Releases what the store itself opened. Idempotent. */
  close (): Promise<void>
}
