import type { FastifyPluginAsync } from 'fastify'
import { authRoutes } from '../../plugins/auth-routes.js'
import type { SiteData } from '../../plugins/auth/options.js'
import { AUTH_DOCUMENT } from '../openapi/auth.js'
import { LIMITS } from '../throttle/limits.js'
import { limitRotations } from '../throttle/rotations.js'
import type { Throttle } from '../throttle/throttle.js'
import type { Accounts } from '../users/accounts.js'
import type { UserStore } from '../users/user-store.js'

export interface AuthParts {
  readonly accounts: Accounts
  readonly users: UserStore
  readonly throttle: Throttle
  /** As the tokens have it; `undefined`: the default. */
  readonly minGenerationAge: number | undefined
  readonly clearSiteData: readonly SiteData[]
}

/** The auth routes with the users of the service, their limits, and the cookie of known devices. */
export const serviceAuthRoutes: FastifyPluginAsync<AuthParts> = async (app, { accounts, users, throttle, minGenerationAge, clearSiteData }) => {
  const { authenticate, register, changePassword, checkPassword, findUser, confirmSignIn, onEnded } = accounts
  const rotations = limitRotations(throttle, app.tokens, minGenerationAge)
  app.addHook('onClose', async () => { rotations.close() })

  app.addHook('onSend', async (request, reply) => { accounts.rememberDevice(request, reply) })
  await app.register(authRoutes, {
    document: AUTH_DOCUMENT,
    clearSiteData,
    authenticate,
    register,
    changePassword,
    checkPassword,
    findUser,
    confirmSignIn,
    onEnded,
    beforeEndAll: async (userId) => { await users.moveStamp(userId) },
    beforeRefresh: async (sessionId, request) => {
      if (sessionId === null) return // forged: refused without a query
      await throttle.reserve(throttle.from(LIMITS.refresh, request.ip), request, { sessionId })
      await rotations.check(sessionId, request)
    }
  })
}
