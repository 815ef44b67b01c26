import type { RequestLike } from '../session/http.js'

/** What a client gets. Dates are the store's. */
export interface TokenPair {
  /** A JWT (RFC 9068). */
  readonly accessToken: string
  /** Whole seconds that the access token lives: `exp` − `iat`. */
  readonly expiresIn: number
  readonly accessTokenExpiresAt: Date
  /** Absent: the client keeps the one it has (RFC 6749 section 6). */
  readonly refreshToken?: string
  /** When the refresh token ends unless it is used before: the session's end. */
  readonly refreshTokenExpiresAt: Date
  readonly sessionId: string
  /** Whole seconds, rounded up, until a refresh would give a new refresh token. */
  readonly rotatesIn: number
  /** The presented token has a successor that is in use: the client should hold that one. */
  readonly superseded?: true
}

/** What a verified access token says. */
export interface AccessToken {
  readonly userId: string
  readonly isAdmin: boolean
  readonly roles: readonly string[]
  readonly sessionId: string
  readonly generation: number
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** `auth_time`; `null`: not known. */
  readonly authenticatedAt: Date | null
  /** Its arrival is evidence that the client has the refresh token of that generation: it has no `nc`. */
  readonly confirms: boolean
}

export interface IssueOptions {
  /** The access token travels apart from the refresh token (`hybrid`), or on a page that may yet be lost (inline): its arrival is no evidence. Default `false`. */
  readonly noEvidence?: boolean
}

export interface RefreshOptions extends IssueOptions {
  /** The server refreshes on behalf of a page that it is rendering: as `noEvidence`. Default `false`. */
  readonly inline?: boolean
}

/** What a refresh token was found to be, without rotating it. */
export interface RefreshInfo {
  readonly sessionId: string
  readonly userId: string
  readonly generation: number
}

/** A public key set (RFC 7517). */
export interface JsonWebKeySet { readonly keys: readonly Readonly<Record<string, unknown>>[] }

/** Issues, rotates, revokes and verifies the tokens of sessions. */
export interface Tokens {
  /**
   * Begins the lineage of this request's session, which is saved first, and issues the first pair. A session that has a
   * lineage gets a new id: the old one's row and tokens are gone.
   * @throws NotSignedInError `ERR_NOT_SIGNED_IN`; StoreError `ERR_STORE`; the errors of `Session.save`
   */
  issue (request: RequestLike, options?: IssueOptions): Promise<TokenPair>
  /**
   * Answers a refresh token, as tokens.md 4 says. Deletes no cookie.
   * @param request whose cookie or access token, if any, must be of the same user
   * @throws TokenRefusedError by its code; TokenConflictError `ERR_TOKEN_CONFLICT` for a cookie and an access token of two
   * users; StoreError `ERR_STORE`, after which the same token can be presented again
   */
  refresh (refreshToken: string, request?: RequestLike, options?: RefreshOptions): Promise<TokenPair>
  /**
   * Ends the session of a genuine refresh token of whatever generation, its cookie and access tokens included. Resolves to whether there was
   * one: unknown, expired, revoked and nonsense are `false`.
   * @throws StoreError `ERR_STORE`; nothing has ended then
   */
  revoke (refreshToken: string): Promise<boolean>
  /**
   * Notes that a client has the refresh token of this generation: for services that verify access tokens by the key set
   * alone, by `sid` and `gen` of a token that has arrived. **Never for a token with `nc`**: its client may not have that
   * refresh token, and would be signed out for presenting the one it has. A generation that is not the newest is nothing.
   * @throws TypeError for what is no session id and whole number; StoreError `ERR_STORE`
   */
  confirm (sessionId: string, generation: number): Promise<void>

  // – for guards, routes and other plugins –

  /** Verifies an access token, revocation included. @throws UnauthenticatedError `ERR_UNAUTHENTICATED`; StoreError while no revocation can be looked up */
  verify (accessToken: string): Promise<AccessToken>
  /** `verify` without a promise, where the token was verified before and the feed is whole; else `null`: call `verify`. @throws UnauthenticatedError */
  verifyKnown (accessToken: string): AccessToken | null
  /** Notes, without waiting, that the generation of a verified access token has arrived: at most one write a generation. */
  seen (access: AccessToken): void
  /** Looks at a refresh token without rotating it. @throws TokenRefusedError, TokenConflictError, StoreError, as `refresh` */
  inspect (refreshToken: string, request?: RequestLike): Promise<RefreshInfo>
  /** The session that a genuine refresh token names, without asking the storage; `null`: the token is forged. */
  sessionIdOf (refreshToken: string): string | null
  /**
   * The session that an access token names which has not expired, though the session may have ended or be blocked; `null`: the
   * token is forged or expired. For signing out alone: who is asked for something else asks `verify`.
   */
  sessionIdOfAccess (accessToken: string): Promise<string | null>
  /** Ends a session by its id, and its lineage with it; resolves to whether there was one. @throws StoreError */
  end (sessionId: string, reason: string): Promise<boolean>
  /** The public keys: of tokens that are signed now, of those still in circulation, and of those to come. Empty for HS256. */
  keySet (): JsonWebKeySet
  /** Ends the watch, waits for confirmations under way, closes the store. */
  close (): Promise<void>
}
