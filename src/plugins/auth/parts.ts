import type { FastifyRequest } from 'fastify'
import { UnauthenticatedError } from '../../tokens/errors.js'
import type { Tokens } from '../../tokens/tokens.js'
import type { SessionManager } from '../../session/session-manager.js'
import type { Identity } from '../identity.js'
import { RequestError } from '../problems.js'
import type { TokenCookies } from '../token-cookies.js'
import type { AuthRoutesOptions } from './options.js'

/** What the auth routes work with. */
export interface AuthParts {
  readonly options: AuthRoutesOptions
  readonly tokens: Tokens
  readonly manager: SessionManager
  readonly cookies: TokenCookies
}

/** Bytes of a body: an e-mail address, two passwords, a token. */
const BODY_LIMIT = 4 * 1024

/** Options of a route that takes a body of these members. */
export function withBody (properties: Readonly<Record<string, object>>, required: readonly string[] = []) {
  const isOptional = required.length === 0
  return {
    bodyLimit: BODY_LIMIT,
    // where every member is optional the body may be absent, which arrives as null
    schema: { body: { type: 'object', ...(isOptional && { nullable: true }), additionalProperties: false, required, properties } }
  }
}

/** Options of a route that takes no body that it would look at. */
export const NO_BODY = Object.freeze({ bodyLimit: BODY_LIMIT })

/** Who asks, behind a guard. */
export function identityOf ({ auth }: FastifyRequest): Identity {
  if (auth === null) throw new UnauthenticatedError(false)
  return auth
}

/** The answer to a password that is not right, or belongs to nobody: one, whatever was wrong (ASVS 6.3.8). */
export const wrongCredentials = (): RequestError =>
  new RequestError(401, 'ERR_CREDENTIALS', 'the e-mail address or the password is not right', undefined, { 'www-authenticate': 'Bearer' })
