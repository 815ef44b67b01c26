import type { ReplyLike, RequestLike } from '../session/http.js'
import { TokenConflictError, TokenMissingError } from '../tokens/errors.js'
import type { TokenPair } from '../tokens/tokens.js'
import { readBearer, REFRESH_PREFIX } from './bearer.js'
import { invalid } from './problems.js'
import type { TokenCookies } from './token-cookies.js'

/** How tokens travel: both in JSON, both in cookies, or the access token in a cookie and the refresh token in a header. */
export type Transport = 'body' | 'cookie' | 'hybrid'

/** Carries refresh tokens of the `hybrid` transport, in and out. */
const REFRESH_HEADER = 'x-refresh-token'

/** A refresh token that a request presents, and how the answer goes out: as it came in. */
export interface PresentedRefresh {
  readonly token: string
  readonly transport: Transport
}

/** What of a pair stands in the JSON of an answer (RFC 6749 section 5.1); what the transport carries elsewhere is absent. */
export interface TokenBody {
  readonly access_token?: string
  readonly token_type?: 'Bearer'
  /** Whole seconds. */
  readonly expires_in: number
  /** Absent, too, where the client keeps the one it has. */
  readonly refresh_token?: string
  /** Whole seconds until a refresh would rotate. Where the answer brings no refresh token. */
  readonly rotates_in?: number
  readonly superseded?: true
}

/** A request with its body, as Fastify has parsed it: `undefined` before that. */
type Asked = Pick<RequestLike, 'headers'> & { readonly body?: unknown }

/**
 * The refresh token of a request: body, header `X-Refresh-Token`, `Authorization: Bearer rt_…`, cookie, in that order.
 * Another Bearer counts only where there is nothing else, and is then no refresh token.
 *
 * @throws TokenMissingError `ERR_TOKEN_MISSING`; TokenConflictError `ERR_TOKEN_CONFLICT` for two that differ and are no
 * cookie; RequestError `ERR_VALIDATION`
 */
export function readRefreshToken (request: Asked, cookies: TokenCookies): PresentedRefresh {
  const bearer = readBearer(request.headers.authorization)
  const isRefresh = bearer?.startsWith(REFRESH_PREFIX) === true
  const explicit = [
    { token: inBody(request.body), transport: 'body' as const },
    { token: inHeader(request), transport: 'hybrid' as const },
    { token: isRefresh ? bearer : null, transport: 'body' as const }
  ].filter(isPresent)
  const [first] = explicit
  if (first !== undefined) {
    if (explicit.some(({ token }) => token !== first.token)) throw new TokenConflictError('the request carries two refresh tokens that differ')
    return first
  }
  const cookie = cookies.refresh(request)
  if (cookie !== null) return { token: cookie, transport: 'cookie' }
  if (bearer !== null) return { token: bearer, transport: 'body' }
  throw new TokenMissingError()
}

/** All texts in a request that may be refresh tokens, for what ends whatever it is shown. */
export function presentedRefreshTokens (request: Asked, cookies: TokenCookies): readonly string[] {
  const bearer = readBearer(request.headers.authorization)
  return [inBody(request.body), inHeader(request), bearer, cookies.refresh(request)].filter((text) => text !== null)
}

/** All texts in a request that may be access tokens. */
export function presentedAccessTokens ({ headers }: Asked, cookies: TokenCookies): readonly string[] {
  const bearer = readBearer(headers.authorization)
  return [bearer?.startsWith(REFRESH_PREFIX) === true ? null : bearer, cookies.access({ headers })].filter((text) => text !== null)
}

/** Puts a pair on the answer; returns what goes into its JSON. */
export function sendTokens (reply: ReplyLike, pair: TokenPair, transport: Transport, cookies: TokenCookies): TokenBody {
  const { accessToken, expiresIn, refreshToken, rotatesIn, superseded } = pair
  const rest = { expires_in: expiresIn, ...(refreshToken === undefined && { rotates_in: rotatesIn }), ...(superseded && { superseded }) }
  reply.header('cache-control', 'no-store')
  if (transport === 'body') {
    return { access_token: accessToken, token_type: 'Bearer', ...rest, ...(refreshToken !== undefined && { refresh_token: refreshToken }) }
  }
  cookies.setAccess(reply, pair)
  if (transport === 'cookie') cookies.setRefresh(reply, pair)
  else if (refreshToken !== undefined) reply.header(REFRESH_HEADER, refreshToken)
  return rest
}

function inBody (body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'refresh_token')) return null
  const token: unknown = Reflect.get(body, 'refresh_token')
  if (typeof token !== 'string') throw invalid('refresh_token', 'must be text')
  return token === '' ? null : token
}

function inHeader ({ headers }: Asked): string | null {
  const token = [headers[REFRESH_HEADER] ?? []].flat().join(', ')
  return token === '' ? null : token
}

const isPresent = <T extends Transport> (source: { token: string | null, transport: T }): source is { token: string, transport: T } => source.token !== null
