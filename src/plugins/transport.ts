import type { ReplyLike, RequestLike } from '../session/http.js'
import { TokenConflictError, TokenMissingError } from '../tokens/errors.js'
import { REFRESH_PREFIX } from '../tokens/refresh-token.js'
import type { TokenPair } from '../tokens/tokens.js'
import { bearerIn, readBearer } from './bearer.js'
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
    { token: readBody(request.body), transport: 'body' as const },
    ...inHeader(request).map((token) => ({ token, transport: 'hybrid' as const })),
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

/** All texts in a request that may be refresh tokens, each once: for what ends whatever it is shown. Refuses nothing. */
export function presentedRefreshTokens (request: Asked, cookies: TokenCookies): readonly string[] {
  return distinct(inBody(request.body), ...inHeader(request), bearerIn(request.headers.authorization), ...cookies.refreshes(request))
}

/** All texts in a request that may be access tokens, each once. Refuses nothing. */
export function presentedAccessTokens ({ headers }: Asked, cookies: TokenCookies): readonly string[] {
  return distinct(bearerIn(headers.authorization), ...cookies.accesses({ headers }))
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

function inBody (body: unknown): unknown {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, 'refresh_token') ? Reflect.get(body, 'refresh_token') : null
}

/** @throws RequestError `ERR_VALIDATION` for what is no text */
function readBody (body: unknown): string | null {
  const token = inBody(body) ?? ''
  if (typeof token !== 'string') throw invalid('refresh_token', 'must be text')
  return token === '' ? null : token
}

/** Several headers of the name arrive as one, joined by commas, which no token has. */
function inHeader ({ headers }: Asked): readonly string[] {
  return distinct(...[headers[REFRESH_HEADER] ?? []].flat().flatMap((text) => text.split(',')).map((text) => text.trim()))
}

/** Each text once, without what is none. */
const distinct = (...found: readonly unknown[]): string[] => [...new Set(found)].filter((text) => typeof text === 'string').filter((text) => text !== '')

const isPresent = <T extends Transport> (source: { token: string | null, transport: T }): source is { token: string, transport: T } => source.token !== null
