import type { FastifyPluginAsync } from 'fastify'
import { rejectCrossSite } from '../session/cross-site.js'
import { forbidCaching } from '../session/http.js'
import { accountRoutes } from './auth/account.js'
import { authOperations } from './auth/operations.js'
import { checkAuthOptions } from './auth/options.js'
import type { AuthRoutesOptions } from './auth/options.js'
import { authParts } from './auth/parts.js'
import { signInRoutes } from './auth/sign-in.js'
import { signOutRoutes } from './auth/sign-out.js'
import { tokenRoutes } from './auth/token-routes.js'
import { verifyRoute } from './auth/verify.js'
import { takeJsonOnly } from './json-body.js'
import { serializePlainly } from './operation.js'
import { handleError } from './problems.js'
import { rejectTokenInUrl } from './token-url.js'

/**
 * Sign-in, tokens and devices as routes with relative paths, after `sessions` and `tokens`: give it a `prefix`.
 *
 * A context of its own: bodies are JSON of at most 4 KiB, errors are problem documents (RFC 9457), no answer may be cached
 * (RFC 6749 section 5.1), and the cross-site rule holds for every unsafe request, with a cookie or without (login CSRF).
 *
 * @throws TypeError at registration, naming the option that is wrong
 */
export const authRoutes: FastifyPluginAsync<AuthRoutesOptions> = async (app, options) => {
  checkAuthOptions(options)
  const parts = authParts(app, options)
  const { trustedOrigins } = parts.manager.options

  app.setErrorHandler(handleError)
  takeJsonOnly(app)
  serializePlainly(app)
  app.addHook('onRequest', (request, reply, done) => {
    forbidCaching(reply)
    try {
      rejectTokenInUrl(request.url)
      if (trustedOrigins !== null) rejectCrossSite(request, trustedOrigins)
      done()
    } catch (error) {
      done(error as Error)
    }
  })
  const operations = authOperations(options.document)
  signInRoutes(app, parts, operations)
  tokenRoutes(app, parts, operations)
  signOutRoutes(app, parts, operations)
  accountRoutes(app, parts, operations)
  verifyRoute(app, parts, operations)
}
