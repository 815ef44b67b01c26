import type { SessionEventMessage, SessionEventName } from './events.js'
import type { ReplyLike, RequestLike } from './http.js'
import type { Session } from './session.js'
import type { Claims, CleanupOptions, SessionRecord, Store } from './store.js'

/** A session in a list: what its user or an administrator may see of it. */
export type SessionInfo = Omit<SessionRecord, 'secretHash' | 'values' | 'version' | 'readAt'>

/** Opens, saves and ends the sessions of requests, and manages those of users. */
export interface Manager {
  /**
   * The session of this request; the same object when called twice. A visitor's without a query, where no cookie of ours
   * verifies; with one query otherwise.
   * @throws CrossSiteError `ERR_CROSS_SITE` for an unsafe request from another site with a cookie of ours
   * @throws StoreError `ERR_STORE` when it cannot be loaded, unless `onStoreError` is 'anonymous'
   */
  start (request: RequestLike, reply: ReplyLike): Promise<Session>
  /** Ends the session of this request now and clears its cookie. @throws StoreError; nothing has ended then */
  destroy (request: RequestLike, reply: ReplyLike): Promise<void>
  /**
   * Saves what this request changed, slides the expiry when that is due, and writes the cookie. Does nothing for a request
   * without a session. A session that ended meanwhile is logged and gets no cookie; a slide that fails is logged.
   * @throws StoreError `ERR_STORE`, SessionTooLargeError `ERR_SESSION_TOO_LARGE`; nothing of the change is stored, no cookie is written
   */
  refresh (request: RequestLike, reply: ReplyLike): Promise<void>
  readonly store: Store

  // – for applications and other plugins –

  /** `Session.regenerate` on the session of this request, and its cookie at once. */
  regenerate (request: RequestLike, reply: ReplyLike, keepKeys?: readonly string[]): Promise<Session>
  /**
   * `regenerate` that keeps all values and renews `authenticatedAt`: the user of this request has just proved who they are
   * again. Tokens of the session go on working.
   * @throws SessionGoneError `ERR_SESSION_GONE`, StoreError; TypeError when nobody is signed in
   */
  reauthenticate (request: RequestLike, reply: ReplyLike): Promise<Session>
  /** The user's sessions that have not expired, blocked ones included, the most recently seen first. */
  list (userId: string): Promise<SessionInfo[]>
  /** Ends a session by its id; the event `ended` tells the reason, by default `ended`. Resolves to whether there was one. */
  end (sessionId: string, reason?: string): Promise<boolean>
  /**
   * Ends the user's sessions, for a reason as with `end`; resolves to their number. A sign-in whose statement is under way is waited for and ended;
   * one that is stored later stays: check there what may have changed since the password was checked.
   * @throws TypeError for an `except` that is no session id; nothing has ended then
   */
  endAll (userId: string, options?: { readonly except?: string, readonly reason?: string }): Promise<number>
  /** Freezes a session: it is kept, and refuses everything. Resolves to whether there is one. @throws TypeError for a reason that is no text of up to 200 characters */
  block (sessionId: string, reason: string): Promise<boolean>
  unblock (sessionId: string): Promise<boolean>
  /** Replaces the claims on all sessions of a user; resolves to their number. Requests see them from then on. */
  setClaims (userId: string, claims: Claims): Promise<number>
  /** Removes expired sessions now; resolves to their number. The timer does the same. */
  cleanup (options?: CleanupOptions): Promise<number>
  /** Calls `listener` for this manager's events; returns the function that ends this. @throws TypeError for an unknown event */
  on<E extends SessionEventName> (event: E, listener: (message: SessionEventMessage<E>) => void): () => void
  /** Stops the cleanup timer, waits for a run under way, closes the store and ends what `on` began. */
  close (): Promise<void>
}
