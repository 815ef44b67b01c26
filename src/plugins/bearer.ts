import { RequestError } from './problems.js'

/**
 * The credential of `Authorization: Bearer` (RFC 6750 section 2.1); `null`: none, or another scheme; '': the scheme alone.
 * Whatever stands there is given as it is: whether it is a token is for who verifies it.
 */
export function bearerIn (authorization: string | undefined): string | null {
  const found = authorization === undefined ? null : /^bearer(?: +(.*))?$/i.exec(authorization)
  return found && (found[1] ?? '')
}

/** The same. @throws RequestError 400 `ERR_VALIDATION` for the scheme alone (RFC 6750 section 3.1, `invalid_request`) */
export function readBearer (authorization: string | undefined): string | null {
  const credential = bearerIn(authorization)
  if (credential === '') throw noToken()
  return credential
}

export const noToken = (): RequestError =>
  new RequestError(400, 'ERR_VALIDATION', 'the Authorization header names no token', 'authorization', { 'www-authenticate': 'Bearer error="invalid_request"' })
