import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readCookies } from '../../session/cookie.js'
import { isUnsafe, rejectCrossSite } from '../../session/cross-site.js'
import { identityHeaders } from '../identity.js'
import type { AuthOperations } from './operations.js'
import { identityOf, routeOf } from './parts.js'
import type { AuthParts } from './parts.js'
import { dropCookies } from './sign-in.js'

/** Under which proxies tell the method of the request that they ask about. */
const METHOD_HEADERS = ['x-original-method', 'x-forwarded-method'] as const

/**
 * `GET /verify`: forward authentication. 204 with `X-User-Id`, `X-Is-Admin` and `X-Session-Id`; else 401, or 403 for an
 * unsafe request of another site that carries a cookie of ours, whatever else it carries. The row slides; no cookie is sent, which the proxy
 * would not pass on.
 *
 * The method is that of `X-Original-Method` and `X-Forwarded-Method`, whoever sends them: they can only make a refusal.
 * Scheme and host, of which an `Origin` is the request's own, are what `trustProxy` makes of the request.
 */
export function verifyRoute (app: FastifyInstance, parts: AuthParts, operations: AuthOperations): void {
  app.get('/verify', {
    ...routeOf(operations.verify),
    onRequest: app.requireAuth,
    onSend (_request, reply, payload, done) {
      dropCookies(reply, parts)
      done(null, payload)
    }
  }, async (request, reply) => {
    const identity = identityOf(request)
    parts.manager.opened(request)?.cookie.hold()
    const { trustedOrigins } = parts.manager.options
    if (trustedOrigins !== null && carriesOwnCookie(request, parts)) rejectForwarded(request, trustedOrigins)
    return await reply.code(204).headers(identityHeaders(identity)).send()
  })
}

function carriesOwnCookie (request: FastifyRequest, { manager, cookies }: AuthParts): boolean {
  return readCookies(request.headers.cookie, manager.options.cookieName).length > 0 || cookies.accesses(request).length > 0 || cookies.refreshes(request).length > 0
}

/** The cross-site rule for the request that a proxy asks about. */
function rejectForwarded ({ protocol, host, headers }: FastifyRequest, trustedOrigins: ReadonlySet<string>): void {
  for (const name of METHOD_HEADERS) {
    const method = headers[name]
    if (typeof method === 'string' && isUnsafe(method)) rejectCrossSite({ method, protocol, host, headers }, trustedOrigins)
  }
}
