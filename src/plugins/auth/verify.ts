import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isUnsafe, rejectCrossSite } from '../../session/cross-site.js'
import { foundAccess } from '../access.js'
import { identityHeaders } from '../identity.js'
import { identityOf } from './parts.js'
import type { AuthParts } from './parts.js'
import { dropCookies } from './sign-in.js'

/** Under which proxies tell the method of the request that they ask about. */
const METHOD_HEADERS = ['x-original-method', 'x-forwarded-method'] as const

/**
 * `GET /verify`: forward authentication. 204 with `X-User-Id`, `X-Is-Admin` and `X-Session-Id`; else 401, or 403 for an
 * unsafe request of another site that is authenticated by a cookie. The row slides; no cookie is sent, which the proxy
 * would not pass on.
 */
export function verifyRoute (app: FastifyInstance, parts: AuthParts): void {
  app.get('/verify', {
    onRequest: app.requireAuth,
    onSend (_request, reply, payload, done) {
      dropCookies(reply, parts)
      done(null, payload)
    }
  }, async (request, reply) => {
    const identity = identityOf(request)
    parts.manager.opened(request)?.cookie.hold()
    const isByHeader = foundAccess(request)?.by === 'header'
    const { trustedOrigins } = parts.manager.options
    if (!isByHeader && trustedOrigins !== null) rejectForwarded(request, trustedOrigins)
    return await reply.code(204).headers(identityHeaders(identity)).send()
  })
}

/** The cross-site rule for the request that a proxy asks about. */
function rejectForwarded (request: FastifyRequest, trustedOrigins: ReadonlySet<string>): void {
  // an address besides the peer's: `trustProxy` has taken the peer for a proxy, and believed what it forwards
  if (request.ips === undefined || request.ips.length < 2) return
  const { protocol, host, headers } = request
  for (const name of METHOD_HEADERS) {
    const method = headers[name]
    if (typeof method === 'string' && isUnsafe(method)) rejectCrossSite({ method, protocol, host, headers }, trustedOrigins)
  }
}
