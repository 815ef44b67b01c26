/** Silverback with PostgresStore and PostgresTokenStore, for the contenders that differ in options only. */

import { createHash, createPrivateKey } from 'node:crypto'
import { fromRoot, urlOf } from './root.js'
import { addRoutes, contentsOf } from './routes.js'

/** What an Ed25519 key begins with as PKCS #8; 32 bytes of the key follow. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Of tokens, default settings but for the shortest generation age: a lineage is rotated again as soon as its turn comes. */
const TOKENS = { issuer: 'https://bench.example', audience: 'bench', accessTokenTtl: 3600, minGenerationAge: 0.003, stragglerWindow: 0.001 }

/**
 * Keys follow from the secret, so that two nodes with the same secret accept each other's cookies and tokens.
 *
 * @param wrap makes the store that is used of the PostgresStore
 */
export async function startSilverback ({ connectionString, max, secret }, { wrap = (store) => store } = {}) {
  const { migrate, PostgresStore, sessions } = await import(urlOf('dist/index.js'))
  await migrate({ connectionString })
  const app = fromRoot('fastify')()
  await app.register(async (app) => {
    await app.register(sessions, { store: wrap(new PostgresStore({ connectionString, max })), authKey: secret })
    addRoutes(app, ACCESS)
    addOwnKeyRoutes(app)
    app.post('/cleanup', async () => ({ removed: await app.sessions.cleanup({ budgetMs: 3_600_000, rest: 4 }) }))
  })
  await app.register(async (app) => {
    await app.register(sessions, { store: new PostgresStore({ connectionString, max }), authKey: secret, sessionName: 'signed-in', secure: true })
    await registerTokens(app, { connectionString, max }, secret)
    addTokenRoutes(app)
  })
  return app
}

/** How `addRoutes` reads and writes a session of Silverback. */
export const ACCESS = {
  get: (request, key) => request.session.get(key),
  set (request, key, value) { request.session.set(key, value) }
}

/** @param where what PostgresTokenStore is told: `connectionString` and `max`, or `pool` */
export async function registerTokens (app, where, secret) {
  const { PostgresTokenStore, tokens } = await import(urlOf('dist/index.js'))
  const signingKeys = createPrivateKey({ key: Buffer.concat([PKCS8, derived(secret, 'signing')]), format: 'der', type: 'pkcs8' })
  await app.register(tokens, { ...TOKENS, store: new PostgresTokenStore(where), signingKeys, refreshKey: derived(secret, 'refresh') })
}

/**
 * Adds the routes of tokens. Refresh tokens stay in the process; an access token goes out as a cookie, as the clients want it.
 *
 * @returns the refresh tokens, by the index of the visitor
 */
export function addTokenRoutes (app) {
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
  app.post('/revoke/:index', async (request) => ({ revoked: await app.tokens.revoke(refreshTokens[Number(request.params.index)]) }))
  return refreshTokens
}

/** How many requests of one session may be in flight, each with a key of its own to write. */
export const OWN_KEYS = 20

/** Adds the routes by which requests of one session each write a key of their own. */
function addOwnKeyRoutes (app) {
  const names = Array.from({ length: OWN_KEYS }, (_, slot) => `key-${slot}`)
  app.post('/seed-own/:index', async (request) => {
    for (const [key, value] of Object.entries(contentsOf(Number(request.params.index)))) request.session.set(key, value)
    for (const name of names) request.session.set(name, 0)
    return {}
  })
  app.post('/own/:slot/:n', async (request) => {
    const n = Number(request.params.n)
    request.session.set(names[request.params.slot], n)
    return { n }
  })
  app.get('/own', async (request) => names.map((name) => request.session.get(name)))
}

function derived (secret, purpose) {
  return createHash('sha256').update(`${purpose}:${secret}`).digest()
}
