import { CrossSiteError } from '../core/errors.js'

/** What the cross-site rule looks at. */
export interface OriginFacts {
  readonly method: string
  readonly protocol: string
  readonly host: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a method may change state (RFC 9110 section 9.2.1). */
export const isUnsafe = (method: string): boolean => !SAFE_METHODS.has(method)

/**
 * Refuses an unsafe request that a page of another site made the browser send (OWASP CSRF: Fetch Metadata, then Origin).
 *
 * Passes: a safe method; `Sec-Fetch-Site` `same-origin` or `none`; an `Origin` that is the request's own or trusted; a
 * request with neither header, which is no browser. `Origin: null` is nobody's own.
 *
 * @throws CrossSiteError `ERR_CROSS_SITE`
 */
export function rejectCrossSite (request: OriginFacts, trustedOrigins: ReadonlySet<string>): void {
  if (!isUnsafe(request.method)) return
  const { 'sec-fetch-site': site, origin } = request.headers
  if (site === 'same-origin' || site === 'none') return
  if (site === undefined && origin === undefined) return
  const own = `${request.protocol}://${request.host}`
  if (typeof origin === 'string' && (origin === own || trustedOrigins.has(origin))) return
  throw new CrossSiteError()
}
