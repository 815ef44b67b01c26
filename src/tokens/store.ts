/**
 * What a storage of refresh tokens promises. Types only; `silverback/testing` holds the suite that checks every promise.
 *
 * A lineage stands beside the row of its session, one at most, and ends with it. The store never sees a token or a
 * secret: only hashes.
 *
 * @module
 */
import type { Claims, SessionRecord } from '../session/store.js'
import type { AnsweredCase, PresentedToken, RefusedCase, RotationRules } from './rotation.js'
import type { RevocationSink } from './revocations.js'

/** A lineage that begins, at generation 1. */
export interface NewLineage {
  readonly sessionId: string
  /** Must be the session's. */
  readonly userId: string
  /** SHA-256 of the first secret, 32 bytes. */
  readonly tokenHash: Uint8Array
  /** Becomes the session's own `maxAge`, rounded up to whole seconds; its expiry is so many seconds from now. */
  readonly idleSeconds: number
  /** Seconds from the session's creation to what becomes its absolute end. */
  readonly absoluteSeconds: number
}

/** What a rotation goes by. */
export interface LineageRules extends RotationRules {
  /** Idle life of a session whose row has none of its own any more: a hand in the database may have taken it away. */
  readonly refreshTtl: number
}

/** What an access token says, read in the same step as the lineage. Instants are milliseconds since 1970 by the store's clock. */
export interface LineageFacts {
  readonly sessionId: string
  readonly userId: string
  readonly claims: Claims
  readonly authenticatedAt: number | null
  /** The session's end, unless it is used before. */
  readonly expiresAt: number
  /** Of the newest refresh token. */
  readonly generation: number
  /** SHA-256 of the secret of that token: after a ROTATE or REPLAY it is one of the presented `successorHashes`. */
  readonly tokenHash: Uint8Array
  /** When the newest token was given last. */
  readonly deliveredAt: number
  /** When this was read, under the lock of the session. */
  readonly at: number
  /**
   * What an access token says that is issued now: `at`, or, where that is not later than the last revocation of the session
   * (in the same millisecond, or when the clock has stepped back since), the millisecond after that.
   */
  readonly issuedAt: number
}

/** How a presented token was judged. `facts` go with the cases that answer with tokens, as they are after what the case changed. */
export type Rotation =
  | { readonly found: AnsweredCase, readonly facts: LineageFacts }
  | { readonly found: RefusedCase, readonly facts: null }

/** What an access token says that is asked about. */
export interface AccessFacts {
  readonly sessionId: string
  readonly userId: string
  /** Milliseconds since 1970. */
  readonly issuedAt: number
}

/** A watch that runs. */
export interface RevocationWatch {
  /**
   * When it was last shown to tell everything, of `performance.now()`: what was revoked before has been told. Absent: what
   * is revoked is told at once.
   */
  readonly wholeAt?: number
  /**
   * Whether something of the session has been announced that the sink has not been told yet: the store has to be asked.
   * Absent: what is revoked is told at once.
   */
  isUnread? (sessionId: string): boolean
  /** Ends it; what it opened is closed. Idempotent. */
  close (): Promise<void>
}

/**
 * Keeps the lineages of refresh tokens, and tells of sessions whose access tokens must be refused.
 *
 * Unknown, expired and blocked are answers; a method rejects with `StoreError` (`ERR_STORE`) only when the storage itself
 * fails. The store's own clock decides. Whatever touches a session and its lineage locks the session first.
 */
export interface TokenStore {
  /**
   * Begins a lineage for a live session of that user, and sets the session's times to those of the lineage, in one step.
   * Resolves to the session with the instant of the step as `readAt`; to `'taken'`: it has a lineage already, and nothing
   * was changed; to `null`: it is not live, or not that user's.
   */
  createRefreshToken (lineage: NewLineage): Promise<SessionRecord | 'taken' | null>
  /**
   * Judges a presented token and does what the case changes, in one step: see `decide` and `advance`. A ROTATE moves the
   * expiry by the session's `maxAge`, or by `refreshTtl` where it has none; a REUSE blocks the session with the reason `refresh_reuse`.
   */
  rotateRefreshToken (token: PresentedToken, rules: LineageRules): Promise<Rotation>
  /**
   * Ends a session for good, with its lineage if it has one: it is expired from now on, its values are gone, the lineage
   * says when and why it was revoked. The rows stay until cleanup. Resolves to whether it had not ended or expired before; a blocked
   * one counts.
   */
  revokeRefreshToken (sessionId: string, reason: string): Promise<boolean>
  /** Judges a presented token as `rotateRefreshToken` does, and changes nothing. */
  getUserFromRefreshToken (token: PresentedToken, rules: RotationRules): Promise<Rotation>
  /**
   * Notes that the client has the token of this generation. Does nothing when it is noted already or not the newest.
   * Resolves to the newest generation; to `null`: there is no lineage.
   */
  confirmRefreshToken (sessionId: string, generation: number): Promise<number | null>
  /**
   * Whether the access token still holds: its session is live and that user's, and nothing was revoked since it was issued.
   * For the time when no watch is whole.
   */
  isAccessValid (access: AccessFacts): Promise<boolean>
  /** Tells `sink` of everything in force, then of every revocation as it happens. Never throws: while it cannot, the sink is told that it is broken. */
  watchRevocations (sink: RevocationSink): RevocationWatch
  /** The store's clock, milliseconds since 1970, as well as it is known here; without a query. */
  now (): number
  /** Releases what the store itself opened. Idempotent. */
  close (): Promise<void>
}
