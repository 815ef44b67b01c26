import { RequestError } from './problems.js'

/** What refresh tokens begin with, and access tokens never do. */
export const REFRESH_PREFIX = 'rt_'

/**
 * The credential of `Authorization: Bearer` (RFC 6750 section 2.1); `null`: none, or another scheme. Whatever stands there
 * is given as it is: whether it is a token is for who verifies it.
 *
 * @throws RequestError 400 `ERR_VALIDATION` for the scheme alone (RFC 6750 section 3.1, `invalid_request`)
 */
export function readBearer (authorization: string | undefined): string | null {
  const found = authorization === undefined ? null : /^bearer(?: +(.*))?$/i.exec(authorization)
  if (found === null) return null
  const [, credential = ''] = found
  if (credential === '') {
    throw new RequestError(400, 'ERR_VALIDATION', 'the Authorization header names no token', 'authorization', { 'www-authenticate': 'Bearer error="invalid_request"' })
  }
  return credential
}
