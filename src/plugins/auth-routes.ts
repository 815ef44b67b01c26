import type { FastifyPluginAsync } from 'fastify'
import { rejectCrossSite } from '../session/cross-site.js'
import { forbidCaching } from '../session/http.js'
import { SessionManager } from '../session/session-manager.js'
import { accountRoutes } from './auth/account.js'
import { checkAuthOptions } from './auth/options.js'
import type { AuthRoutesOptions } from './auth/options.js'
import { signInRoutes } from './auth/sign-in.js'
import { signOutRoutes } from './auth/sign-out.js'
import { tokenRoutes } from './auth/token-routes.js'
import { verifyRoute } from './auth/verify.js'
import { takeJsonOnly } from './json-body.js'
import { handleError } from './problems.js'
import { TokenCookies } from './token-cookies.js'
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
  const manager = app.hasDecorator('sessions') ? app.sessions : null
  if (!(manager instanceof SessionManager) || !app.hasDecorator('tokens')) throw new TypeError('authRoutes: register the plugins "sessions" and "tokens" first')
  const { trustedOrigins, cookie } = manager.options
  const parts = { options, tokens: app.tokens, manager, cookies: new TokenCookies(cookie.secure) }

  app.setErrorHandler(handleError)
  takeJsonOnly(app)
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
  signInRoutes(app, parts)
  tokenRoutes(app, parts)
  signOutRoutes(app, parts)
  accountRoutes(app, parts)
  verifyRoute(app, parts)
}
