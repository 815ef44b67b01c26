/**
 * The errors of tokens and guards. None says more than its code does: not which user, not which part of a token was wrong.
 *
 * @module
 */
import { SessionError } from '../core/errors.js'
import type { TokenErrorCode } from '../core/errors.js'

/** What clients of OAuth look for (RFC 6749 section 5.2, RFC 6750 section 3.1). */
export type OAuthError = 'invalid_grant' | 'invalid_token' | 'invalid_request' | 'insufficient_scope'

const CHALLENGE = Object.freeze({ 'www-authenticate': 'Bearer', 'cache-control': 'no-store' })

/** Base of the errors below. */
export abstract class TokenError extends SessionError {
  abstract override readonly code: TokenErrorCode
  /** Stands in the problem document as `error`; `null`: nothing does. */
  abstract readonly oauthError: OAuthError | null
}

/** `tokens.issue` for a session in which nobody is signed in. Nothing was stored. */
export class NotSignedInError extends TokenError {
  readonly code = 'ERR_NOT_SIGNED_IN'
  readonly statusCode = 401
  readonly oauthError = null
  override readonly headers = CHALLENGE
  constructor () { super('nobody is signed in: there is no user to issue tokens for') }
}

/** The request carries no refresh token. */
export class TokenMissingError extends TokenError {
  readonly code = 'ERR_TOKEN_MISSING'
  readonly statusCode = 400
  readonly oauthError = 'invalid_request'
  constructor () { super('a refresh token is required') }
}

/** The codes with which a refresh token is refused for good. */
export type RefusedCode = 'ERR_TOKEN_INVALID' | 'ERR_TOKEN_REVOKED' | 'ERR_TOKEN_EXPIRED' | 'ERR_SESSION_BLOCKED' | 'ERR_TOKEN_WRONG_USER' | 'ERR_TOKEN_REUSED'

const MESSAGES: Readonly<Record<RefusedCode, string>> = {
  ERR_TOKEN_INVALID: 'the refresh token is not valid',
  ERR_TOKEN_REVOKED: 'the refresh token was revoked',
  ERR_TOKEN_EXPIRED: 'the session of the refresh token has expired',
  ERR_SESSION_BLOCKED: 'the session of the refresh token is blocked',
  ERR_TOKEN_WRONG_USER: 'the refresh token belongs to another user than the request',
  ERR_TOKEN_REUSED: 'the refresh token was used before; its session is blocked'
}

/** A refresh token is refused: tokens.md 4 says when, by code. No cookie is deleted with it. */
export class TokenRefusedError extends TokenError {
  readonly code: RefusedCode
  readonly statusCode = 401
  readonly oauthError = 'invalid_grant'
  override readonly headers = CHALLENGE
  constructor (code: RefusedCode) {
    super(MESSAGES[code])
    this.code = code
  }
}

/** A token stands in the URL, where logs and histories keep it (RFC 6750 section 2.3, RFC 9700). Nothing was looked at. */
export class TokenInUrlError extends TokenError {
  readonly code = 'ERR_TOKEN_IN_URL'
  readonly statusCode = 400
  readonly oauthError = 'invalid_request'
  constructor () { super('a token must not stand in the URL; take it for stolen, and revoke it') }
}

/** Two credentials that contradict each other: two refresh tokens, or two users in one request (RFC 6750 section 3.1). */
export class TokenConflictError extends TokenError {
  readonly code = 'ERR_TOKEN_CONFLICT'
  readonly statusCode = 400
  readonly oauthError = 'invalid_request'
}

/** Nobody is signed in: no credential (`invalid` false), or one that does not hold. */
export class UnauthenticatedError extends TokenError {
  readonly code = 'ERR_UNAUTHENTICATED'
  readonly statusCode = 401
  readonly oauthError: 'invalid_token' | null
  override readonly headers: Readonly<Record<string, string>>
  /** @param invalid an access token was given and is not valid: the answer says so (RFC 6750 section 3.1) */
  constructor (invalid: boolean) {
    super(invalid ? 'the access token is not valid' : 'sign in first')
    this.oauthError = invalid ? 'invalid_token' : null
    this.headers = { ...CHALLENGE, 'www-authenticate': invalid ? 'Bearer error="invalid_token"' : 'Bearer' }
  }
}

/** The user is signed in, but has not proved who they are within the time asked for (RFC 9470 says how a client is told). */
export class ReauthenticateError extends TokenError {
  readonly code = 'ERR_REAUTHENTICATE'
  readonly statusCode = 401
  readonly oauthError = null
  override readonly headers: Readonly<Record<string, string>>
  constructor (seconds: number) {
    super(`sign in again: this needs a sign-in of the last ${seconds} seconds`)
    this.headers = { ...CHALLENGE, 'www-authenticate': `Bearer error="insufficient_user_authentication", max_age="${seconds}"` }
  }
}

/** The user is known and may not. */
export class ForbiddenError extends TokenError {
  readonly code = 'ERR_FORBIDDEN'
  readonly statusCode = 403
  readonly oauthError = 'insufficient_scope'
  override readonly headers = { 'www-authenticate': 'Bearer error="insufficient_scope"', 'cache-control': 'no-store' }
  constructor () { super('the user may not do this') }
}
