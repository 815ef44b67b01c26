/** Silverback with PostgresStore and PostgresTokenStore, default settings but for the shortest generation age. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { fromRoot, urlOf } from '../lib/root.js'
import { addRoutes } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous', 'verify', 'rotate']

export async function start ({ connectionString, max, secret }) {
  const { migrate, PostgresStore, PostgresTokenStore, sessions, tokens } = await import(urlOf('dist/index.js'))
  await migrate({ connectionString })
  const app = fromRoot('fastify')()
  await app.register(async (app) => {
    await app.register(sessions, { store: new PostgresStore({ connectionString, max }), authKey: secret })
    addRoutes(app, {
      get: (request, key) => request.session.get(key),
      set (request, key, value) { request.session.set(key, value) }
    })
  })
  await app.register(async (app) => {
    await app.register(sessions, { store: new PostgresStore({ connectionString, max }), authKey: secret, sessionName: 'signed-in', secure: true })
    await app.register(tokens, {
      store: new PostgresTokenStore({ connectionString, max }),
      issuer: 'https://bench.example',
      audience: 'bench',
      signingKeys: generateKeyPairSync('ed25519').privateKey,
      refreshKey: randomBytes(32),
      accessTokenTtl: 3600,
      minGenerationAge: 0.003, // a lineage is rotated again as soon as its turn comes
      stragglerWindow: 0.001
    })
    addTokenRoutes(app)
  })
  return app
}

function addTokenRoutes (app) {
  const refreshTokens = []
  app.post('/seed-tokens/:index', async (request, reply) => {
    request.session.setUserId(`user-${request.params.index}`)
    const { accessToken, refreshToken } = await app.tokens.issue(request)
    refreshTokens[Number(request.params.index)] = refreshToken
    reply.header('set-cookie', `access=${accessToken}`)
    return {}
  })
  app.get('/verify', { preHandler: app.verifyAccessToken }, async (request) => ({ verified: request.auth.userId.startsWith('user-') }))
  app.post('/rotate/:index', async (request) => {
    const index = Number(request.params.index)
    const { refreshToken } = await app.tokens.refresh(refreshTokens[index])
    if (refreshToken === undefined) return { rotated: false }
    refreshTokens[index] = refreshToken
    return { rotated: true }
  })
}
