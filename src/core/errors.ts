/**
 * Every error thrown on purpose, apart from `TypeError` for options.
 *
 * `code` is API and never changes within a major version; `message` is not, and never holds a secret, a cookie
 * value or a session's values.
 *
 * @module
 */

/** Stable codes of the session errors. Callers switch on these. */
export type SessionErrorCode =
  | 'ERR_STORE'
  | 'ERR_SESSION_GONE'
  | 'ERR_SESSION_VALUE'
  | 'ERR_SESSION_TOO_LARGE'
  | 'ERR_SESSION_ANSWERED'
  | 'ERR_CROSS_SITE'
  | 'ERR_NO_SESSION'

/** Stable codes of the errors of tokens and guards; the classes stand in `tokens/errors.ts`. */
export type TokenErrorCode =
  | 'ERR_NOT_SIGNED_IN'
  | 'ERR_TOKEN_MISSING'
  | 'ERR_TOKEN_INVALID'
  | 'ERR_TOKEN_REVOKED'
  | 'ERR_TOKEN_EXPIRED'
  | 'ERR_SESSION_BLOCKED'
  | 'ERR_TOKEN_WRONG_USER'
  | 'ERR_TOKEN_REUSED'
  | 'ERR_TOKEN_IN_URL'
  | 'ERR_TOKEN_CONFLICT'
  | 'ERR_UNAUTHENTICATED'
  | 'ERR_REAUTHENTICATE'
  | 'ERR_FORBIDDEN'

/** Base of the errors below, and of those of tokens. */
export abstract class SessionError extends Error {
  abstract readonly code: SessionErrorCode | TokenErrorCode
  /** The HTTP status that Fastify's default error handler answers with. */
  abstract readonly statusCode: number
  /** Headers that Fastify's default error handler adds to the answer. */
  readonly headers: Readonly<Record<string, string>> = {}
  override get name (): string { return this.constructor.name }
}

/**
 * The storage failed, could not be reached or did not answer in time. `cause` is the driver's own error.
 *
 * Nothing of the failed statement is half-written; after a cut connection it may have been committed.
 */
export class StoreError extends SessionError {
  readonly code = 'ERR_STORE'
  readonly statusCode = 503
  override readonly headers = { 'retry-after': '1', 'cache-control': 'no-store' }
  constructor (operation: string, cause?: unknown) {
    super(`session storage failed during "${operation}"`, { cause })
  }
}

/** The session ended, was blocked, expired or was replaced by a sign-in since this request loaded it. Nothing was written. */
export class SessionGoneError extends SessionError {
  readonly code = 'ERR_SESSION_GONE'
  readonly statusCode = 409
  constructor () {
    super('the session ended while this request was in flight')
  }
}

/** A value that JSONB cannot give back exactly, or that is over a limit. Nothing was changed. */
export class SessionValueError extends SessionError {
  readonly code = 'ERR_SESSION_VALUE'
  readonly statusCode = 500
  /** The session key whose value was refused. */
  readonly key: string
  constructor (key: string, reason: string) {
    super(`session value ${JSON.stringify(key.slice(0, 64))} ${reason}`)
    this.key = key
  }
}

/** The merged values would be over 256 KiB of JSON. Nothing was written. */
export class SessionTooLargeError extends SessionError {
  readonly code = 'ERR_SESSION_TOO_LARGE'
  readonly statusCode = 413
  constructor () {
    super('the session would exceed 256 KiB of JSON')
  }
}

/**
 * A change when the answer is leaving or has left: its cookie is decided, and nothing would save the change. Nothing was changed.
 *
 * Change the session before `reply.send`; a stored session can still be changed by `update`, which commits by itself.
 */
export class SessionAnsweredError extends SessionError {
  readonly code = 'ERR_SESSION_ANSWERED'
  readonly statusCode = 500
  constructor () {
    super('the answer is leaving: change the session before that, or a stored one with update()')
  }
}

/** An unsafe request from another site that carries a cookie of ours (OWASP CSRF, Fetch Metadata). Nothing was read or changed. */
export class CrossSiteError extends SessionError {
  readonly code = 'ERR_CROSS_SITE'
  readonly statusCode = 403
  override readonly headers = { vary: 'Sec-Fetch-Site, Origin' }
  constructor () {
    super('cross-site request refused')
  }
}

/** `getSession` was called on a route that has opted out with `config: { session: false }`. */
export class NoSessionError extends SessionError {
  readonly code = 'ERR_NO_SESSION'
  readonly statusCode = 401
  constructor () {
    super('this route has no session')
  }
}
