/** Silverback as bench:soak uses it: people who sign in and out, and guests who leave; one pool, so that it can be watched. */

import { fromRoot, urlOf } from '../lib/root.js'
import { addRoutes, contentsOf } from '../lib/routes.js'
import { ACCESS, addTokenRoutes, registerTokens } from '../lib/silverback.js'

export const hasSessions = true
export const workloads = []

/** Seconds that a guest's session outlives its last use. Cleanup has something to do within minutes. */
const GUEST_SECONDS = 30
const CLEANUP_SECONDS = 20

export async function start ({ connectionString, max, secret }) {
  const { migrate, PostgresStore, sessions } = await import(urlOf('dist/index.js'))
  await migrate({ connectionString })
  const pool = new (fromRoot('pg').Pool)({ connectionString, max, statement_timeout: 2_000, lock_timeout: 1_000 })
  const app = fromRoot('fastify')()
  await app.register(sessions, { store: new PostgresStore({ pool }), authKey: secret, cleanupInterval: CLEANUP_SECONDS })
  await registerTokens(app, { pool }, secret)
  addRoutes(app, ACCESS)
  const refreshTokens = addTokenRoutes(app)
  const begin = (request) => {
    for (const [key, value] of Object.entries(contentsOf(Number(request.params.index)))) request.session.set(key, value)
  }
  app.post('/sign-in/:index', async (request) => {
    const { index } = request.params
    begin(request)
    request.session.setUserId(`user-${index}`)
    refreshTokens[Number(index)] = (await app.tokens.issue(request)).refreshToken
    return {}
  })
  app.post('/sign-out', async (request) => {
    await request.session.destroy()
    return {}
  })
  app.post('/guest/:index', async (request) => {
    begin(request)
    request.session.options({ maxAge: GUEST_SECONDS })
    return {}
  })
  app.get('/pool', { config: { session: false } }, async () => ({ inUse: pool.totalCount - pool.idleCount, waiting: pool.waitingCount }))
  app.addHook('onClose', () => pool.end())
  return app
}
