import type { CookieAttributes } from './options.js'
import type { Claims } from './store.js'

/** The application augments this interface to type its values: `declare module 'silverback' { interface SessionData { cart: Item[] } }`. */
export interface SessionData {}

/** The values of a session: those the application has typed, else anything. */
export type ValuesOf<T extends object> = [keyof T] extends [never] ? Record<string, unknown> : T
/** The same as `update` hands them to its callback: `(n = 0) => n + 1` must compile where nothing is typed. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- `unknown` would refuse every arithmetic on an untyped value
export type UpdatableValuesOf<T extends object> = [keyof T] extends [never] ? Record<string, any> : T
export type KeyOf<T extends object> = keyof ValuesOf<T> & string

/** What `options` takes for this session and the answer to this request. */
export interface SessionCookieOptions extends CookieAttributes {
  /**
   * Seconds. The session's own idle lifetime from now on, kept with it ("stay signed in"); up to 400 days, and never past
   * the absolute end. `null`: the cookie ends with the browser, while the server keeps the manager's `maxAge`.
   */
  readonly maxAge?: number | null
}

/**
 * The server-side state of one login, or of one anonymous visitor, on one device, as one request sees it.
 *
 * Changes are kept here and saved as a patch when the answer is sent, whatever its status. Nothing is stored for a
 * visitor who gets no value and no user.
 *
 * Four ways to end a session, apart: `session.destroy()` ends it now; `session.delete()` without a key ends it when the
 * answer is sent; `Manager.end(id)` ends any session by its id, from elsewhere; `Store.delete(id)` removes the row and
 * tells nobody. After each of them no request that is still under way can save it again.
 */
export interface Session<T extends object = SessionData> {
  /** UUID v4. Names the session in lists and logs; proves nothing. New after `setUserId`, and after `regenerate` unless tokens name it. */
  readonly id: string
  /** Who is signed in; `null`: nobody. */
  readonly userId: string | null
  /**
   * Signs a user in (or, with `null`, out) when the session is saved. Call it after you have checked who it is.
   *
   * Always begins a new session, with a new id and secret: the old row is gone and its cookie dead from that one
   * statement (session fixation, OWASP). From an anonymous session the values come along; from another user's, and on
   * signing out, they are dropped.
   * @param claims `isAdmin`, `roles` and what else belongs to the user; default `{}`
   * @throws TypeError for a user id that is not 1 to 256 characters of text without control characters
   * @throws SessionValueError `ERR_SESSION_VALUE` for claims that JSONB cannot hold
   * @throws StoreError `ERR_STORE` when the session could not be loaded and `onStoreError` is 'anonymous'
   */
  setUserId (userId: string | null, claims?: Claims): void
  readonly createdAt: Date
  /** The end, unless the session is used before. */
  readonly expiresAt: Date
  /** A frozen snapshot: the stored values with this request's changes. */
  readonly values: Readonly<Partial<ValuesOf<T>>>
  /** The value under a key, frozen in depth; `undefined` if there is none. `getValue` in the source design. */
  get<K extends KeyOf<T>> (key: K): ValuesOf<T>[K] | undefined
  /**
   * Puts a value under a key: JSON, copied at once. `undefined` deletes the key. `setValue` in the source design.
   * @throws SessionValueError `ERR_SESSION_VALUE` for what JSONB cannot give back exactly, over 64 KiB, or a 257th key
   * @throws SessionGoneError `ERR_SESSION_GONE` after this request has ended the session
   * @throws SessionAnsweredError `ERR_SESSION_ANSWERED` after the answer was sent; `delete` and `setUserId` too
   */
  set<K extends KeyOf<T>> (key: K, value: ValuesOf<T>[K] | undefined): void

  // – for applications and other plugins –

  /** Not stored yet. */
  readonly isNew: boolean
  /** Facts about the user, set at sign-in; frozen. */
  readonly claims: Readonly<Claims>
  /** Fires when the session ends, is blocked or expires, also from another request: for sockets and streams. Never for one that is not stored. */
  readonly signal: AbortSignal
  has (key: KeyOf<T>): boolean
  /** Deletes a key. Without a key: ends the session when the answer is sent. */
  delete (...keys: [] | [key: KeyOf<T>]): void
  /**
   * Reads, changes and writes one value as one step, exact under concurrency; resolves, once committed, to the new value.
   *
   * Commits alone: pending `set`s stay pending. Stores a new session. `fn` is synchronous, may run several times, gets the
   * stored value (`undefined`: none) and returns the new one (`undefined` deletes it). If it throws, nothing changes.
   * @throws SessionGoneError `ERR_SESSION_GONE`, SessionValueError (also for a promise), SessionTooLargeError, StoreError;
   * SessionAnsweredError `ERR_SESSION_ANSWERED` for a session that is not stored, when the answer has left. Nothing is written
   */
  update<K extends KeyOf<T>, R extends ValuesOf<T>[K] | undefined> (key: K, fn: (value: UpdatableValuesOf<T>[K] | undefined) => R): Promise<R>
  /** A shallow copy of `values`. */
  data (): Partial<ValuesOf<T>>
  /** Slides the expiry with this answer, `refreshInterval` or not. */
  touch (): void
  /** Cookie attributes for this answer alone, but for path and domain, and the session's own `maxAge`, which is kept; on a session with refresh tokens that, too, concerns the cookie of this answer alone. @throws TypeError as for the plugin's options */
  options (cookieOptions: SessionCookieOptions): void
  /** Whether there are changes that are not saved. */
  isModified (): boolean
  /** Whether the session is stored, with all changes. */
  isSaved (): boolean
  /**
   * Writes the changes now: for hijacked, raw and WebSocket replies, which have no `onSend`, or to handle the error.
   * @throws SessionGoneError `ERR_SESSION_GONE` if it ended meanwhile; SessionTooLargeError; StoreError. The changes stay pending
   */
  save (): Promise<void>
  /** Discards the changes and loads the session again. @throws SessionGoneError `ERR_SESSION_GONE`, StoreError; nothing is discarded */
  reload (): Promise<void>
  /**
   * Gives the session a new secret, and a new id unless tokens name the old one, now: the old cookie is dead. User and
   * claims stay; of the values only those under `keepKeys` (default: none). Pending changes of these are saved with it.
   * @throws SessionGoneError `ERR_SESSION_GONE`; SessionAnsweredError `ERR_SESSION_ANSWERED`; StoreError, after which the
   * old cookie works as before, unless the answer was lost behind the commit
   */
  regenerate (keepKeys?: readonly string[]): Promise<void>
  /**
   * Ends the session now, and clears the cookie with the answer. One that is blocked ends, too, by the cookie that leads to
   * it, though here it looks like none. @throws StoreError; nothing has ended then
   */
  destroy (): Promise<void>
}
