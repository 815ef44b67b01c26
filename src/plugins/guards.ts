import type { FastifyReply, FastifyRequest } from 'fastify'
import { seconds, show } from '../core/options.js'
import { LONGEST_MAX_AGE } from '../session/options.js'
import type { SessionManager } from '../session/session-manager.js'
import { ForbiddenError, ReauthenticateError, UnauthenticatedError } from '../tokens/errors.js'
import type { Tokens } from '../tokens/tokens.js'
import { andThen, rejectOtherSites } from './access.js'
import type { AccessReader } from './access.js'
import { identityHeaders, identityOfSession, identityOfToken } from './identity.js'
import type { Identity } from './identity.js'
import type { TokenCookies } from './token-cookies.js'
import { rejectTokenInUrl } from './token-url.js'
import { readRefreshToken } from './transport.js'

/** A preHandler, which goes as an onRequest hook, too. Refuses by an error, for the error handler to answer. */
export type Guard = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

/**
 * What routes demand of a credential. They chain in any order, and verify a credential once a request; what they find
 * stands in `request.auth` and `request.refresh`.
 */
export interface Guards {
  /** An access token, of `Authorization: Bearer` or the access cookie; never the session cookie. Else 401 `ERR_UNAUTHENTICATED`. */
  readonly verifyAccessToken: Guard
  /**
   * A refresh token that is genuine and live; it is not rotated. Else 401 by its code; 400 `ERR_TOKEN_MISSING` without one.
   * As an onRequest hook it does not see the body.
   */
  readonly verifyRefreshToken: Guard
  /** What a guard has verified already, an access token, or the session cookie. Else 401 `ERR_UNAUTHENTICATED`. */
  readonly requireAuth: Guard
  /** `requireAuth`, of an administrator. Else 403 `ERR_FORBIDDEN`. */
  readonly requireAdmin: Guard
  /** `requireAuth`, with one of these roles. Else 403 `ERR_FORBIDDEN`. @throws TypeError for no role, or what is none */
  requireRole (...roles: readonly [string, ...string[]]): Guard
  /**
   * `requireAuth`, of a user who proved who they are so many seconds ago at most (decimals allowed). Else 401
   * `ERR_REAUTHENTICATE` (RFC 9470). An access token says it as of its issue: refresh after a reauthentication.
   * @throws TypeError for what is no number of seconds from 1 to 400 days
   */
  requireRecentAuth (seconds: number): Guard
}

export interface GuardParts {
  readonly tokens: Tokens
  readonly reader: AccessReader
  readonly manager: SessionManager
  readonly cookies: TokenCookies
  /** The store's clock, milliseconds since 1970. */
  readonly now: () => number
  /** Whether `request.auth` is written into the request's headers as well. */
  readonly identityHeaders: boolean
}

export function createGuards (parts: GuardParts): Guards {
  const { tokens, reader, manager, cookies, now } = parts
  const admit = (request: FastifyRequest, identity: Identity): Identity => {
    request.auth = identity
    if (parts.identityHeaders) Object.assign(request.raw.headers, identityHeaders(identity))
    return identity
  }
  const authenticate = (request: FastifyRequest): Identity | Promise<Identity> => {
    if (request.auth !== null) return request.auth
    return andThen(reader.read(request), ({ token, by }) => {
      const identity = token === null ? identityOfSession(manager.opened(request)) : identityOfToken(token)
      if (identity === null) throw new UnauthenticatedError(by !== null)
      return admit(request, identity)
    })
  }
  /** `requireAuth`, then a look at who it is. */
  const require = (check: (identity: Identity) => void): Guard => guard((request) => andThen(authenticate(request), check))

  return {
    requireAuth: require(() => {}),
    requireAdmin: require(({ isAdmin }) => { if (!isAdmin) throw new ForbiddenError() }),
    requireRole (...roles) {
      const wrong = roles.findIndex((role) => typeof role !== 'string' || role === '')
      if (roles.length === 0 || wrong !== -1) throw new TypeError(`requireRole: name the roles, one of which is needed; got ${roles.length === 0 ? 'none' : show(roles[wrong])}`)
      return require((identity) => { if (!roles.some((role) => identity.roles.includes(role))) throw new ForbiddenError() })
    },
    requireRecentAuth (given) {
      const age = seconds('requireRecentAuth', given, { min: 1, max: LONGEST_MAX_AGE })
      return require(({ authenticatedAt }) => {
        if (authenticatedAt === null || now() - authenticatedAt.getTime() > age * 1000) throw new ReauthenticateError(age)
      })
    },
    verifyAccessToken: guard((request) => andThen(reader.read(request), ({ token, by }) => {
      if (token === null) throw new UnauthenticatedError(by !== null)
      admit(request, identityOfToken(token))
    })),
    verifyRefreshToken: guard((request) => {
      if (request.refresh !== null) return
      rejectTokenInUrl(request.url)
      rejectOtherSites(request, manager, cookies)
      const { token } = readRefreshToken(request, cookies)
      return tokens.inspect(token, request).then((info) => { request.refresh = info })
    })
  }
}

/** Calls `done` at once where there is nothing to wait for. */
function guard (work: (request: FastifyRequest) => unknown): Guard {
  return (request, _reply, done) => {
    let waiting: unknown
    try {
      waiting = work(request)
    } catch (error) {
      done(toError(error))
      return
    }
    if (waiting instanceof Promise) waiting.then(() => { done() }, (error: unknown) => { done(toError(error)) })
    else done()
  }
}

const toError = (error: unknown): Error => error instanceof Error ? error : new Error('a guard failed', { cause: error })
