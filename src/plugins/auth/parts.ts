import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { UnauthenticatedError } from '../../tokens/errors.js'
import type { Tokens } from '../../tokens/tokens.js'
import { SessionManager } from '../../session/session-manager.js'
import type { Identity } from '../identity.js'
import type { Operation } from '../operation.js'
import { RequestError } from '../problems.js'
import { TokenCookies } from '../token-cookies.js'
import type { AuthRoutesOptions } from './options.js'

/** What the auth routes work with. */
export interface AuthParts {
  readonly options: AuthRoutesOptions
  readonly tokens: Tokens
  readonly manager: SessionManager
  readonly cookies: TokenCookies
  /** The header `Clear-Site-Data` of a sign-out; an empty text: none. */
  readonly siteData: string
}

/** A request that is being answered, with what answers it. */
export interface Exchange extends AuthParts {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** What the application's own sessions and tokens give. @throws TypeError before `sessions` and `tokens` are registered */
export function authParts (app: FastifyInstance, options: AuthRoutesOptions): AuthParts {
  const manager = app.hasDecorator('sessions') ? app.sessions : null
  if (!(manager instanceof SessionManager) || !app.hasDecorator('tokens')) throw new TypeError('authRoutes: register the plugins "sessions" and "tokens" first')
  const siteData = (options.clearSiteData ?? []).map((type) => `"${type}"`).join(', ')
  return { options, tokens: app.tokens, manager, cookies: new TokenCookies(manager.options.cookie.secure), siteData }
}

/** Bytes of a body: an e-mail address, two passwords, a token. */
const BODY_LIMIT = 4 * 1024

/** Options of a route. The schema is one of its own: others may write on it. */
export const routeOf = (operation: Operation) => ({ bodyLimit: BODY_LIMIT, schema: { ...operation } })

/** Who asks, behind a guard. */
export function identityOf ({ auth }: FastifyRequest): Identity {
  if (auth === null) throw new UnauthenticatedError(false)
  return auth
}

/** The answer to a password that is not right, or belongs to nobody: one, whatever was wrong (ASVS 6.3.8). */
export const wrongCredentials = (): RequestError =>
  new RequestError(401, 'ERR_CREDENTIALS', 'the e-mail address or the password is not right', undefined, { 'www-authenticate': 'Bearer' })

export const userExists = (): RequestError =>
  new RequestError(409, 'ERR_USER_EXISTS', 'there is a user with this e-mail address', 'email')

/** The answer to a sign-in whose session did not live until its answer. It is no fault of the credentials, and to try again helps. */
export const signInEnded = (): RequestError =>
  new RequestError(409, 'ERR_SESSION_GONE', 'the session of this sign-in was ended before its answer, as by another sign-in of the user: sign in again')

/** The answer where the password was changed and the rest could not be done: to ask again with the old one would be a wrong guess. */
export const passwordChanged = ({ statusCode }: { readonly statusCode: number }): RequestError =>
  new RequestError(statusCode, 'ERR_PASSWORD_CHANGED', 'the password was changed; after that something failed: sign in again, with the new password')

/** The answer to what is not there, and to what belongs to another user: whose it is, is nobody's business. */
export const notThere = (): RequestError => new RequestError(404, 'ERR_NOT_FOUND', 'there is nothing here')
