import { TokenInUrlError } from '../tokens/errors.js'
import { REFRESH_PREFIX } from '../tokens/refresh-token.js'

const NAMES: ReadonlySet<string> = new Set(['access_token', 'refresh_token'])
/** A refresh token under whatever name. */
const REFRESH_TOKEN = new RegExp(`^${REFRESH_PREFIX}[A-Za-z0-9_-]{100,}$`)

/**
 * Refuses a request with a token in the query of its URL (RFC 6750 section 2.3, ASVS 14.2.1): where it stands it is in
 * histories and logs.
 *
 * @throws TokenInUrlError `ERR_TOKEN_IN_URL`
 */
export function rejectTokenInUrl (url: string): void {
  const at = url.indexOf('?')
  if (at === -1) return
  for (const [name, value] of new URLSearchParams(url.slice(at + 1))) {
    if (NAMES.has(name.toLowerCase()) || REFRESH_TOKEN.test(value)) throw new TokenInUrlError()
  }
}
