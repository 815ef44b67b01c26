import Fastify from 'fastify'
import t from 'tap'
import { authRoutes } from '../../src/plugins/auth-routes.js'
import { sessions } from '../../src/plugins/sessions.js'
import { tokens } from '../../src/plugins/tokens.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import type { TokensOptions } from '../../src/tokens/options.js'
import { KEY } from '../helpers/session-app.js'
import { bearer, openTokenApp, REFRESH_KEY, signIn, SIGNING_KEY } from '../helpers/token-app.js'

const store = (): MemoryStore => new MemoryStore()
const options = (memory: MemoryStore): TokensOptions => ({ store: new MemoryTokenStore({ store: memory }), issuer: 'i', audience: 'a', signingKeys: SIGNING_KEY, refreshKey: REFRESH_KEY })

t.test('tokens need sessions, registered before', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(tokens, options(store())) }, { name: 'TypeError', message: /register the plugin "sessions" first/ })
})

t.test('tokens are registered once a context', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const memory = store()
  await app.register(sessions, { store: memory, authKey: KEY, cleanupInterval: 0 })
  await app.register(tokens, options(memory))
  await t.rejects(async () => { await app.register(tokens, options(memory)) }, { name: 'TypeError', message: /registered already/ })
})

t.test('wrong options are refused at registration, by name', async (t) => {
  for (const wrong of [{ issuer: '' }, { audience: 7 }, { accessTokenTtl: 0 }, { identityHeaders: 'yes' }, { identityHeader: true }, { signingKeys: undefined }, { store: {} }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    const memory = store()
    await app.register(sessions, { store: memory, authKey: KEY, cleanupInterval: 0 })
    await t.rejects(async () => { await app.register(tokens, { ...options(memory), ...wrong } as TokensOptions) }, { name: 'TypeError', message: new RegExp(Object.keys(wrong)[0] ?? '') })
  }
})

t.test('a key that signs cookies is refused for tokens', async (t) => {
  for (const wrong of [{ refreshKey: KEY }, { signingKeys: KEY }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    const memory = store()
    await app.register(sessions, { store: memory, authKey: KEY, cleanupInterval: 0 })
    await t.rejects(async () => { await app.register(tokens, { ...options(memory), ...wrong }) }, { name: 'TypeError', message: `"${Object.keys(wrong)[0]}" and "authKey" options must not share a key` })
  }
})

t.test('the auth routes need both plugins and an authenticate', async (t) => {
  const authenticate = async () => null
  const bare = Fastify()
  t.teardown(() => bare.close())
  await t.rejects(async () => { await bare.register(authRoutes, { authenticate }) }, { name: 'TypeError', message: /"sessions" and "tokens"/ })
  const memory = store()
  const withoutTokens = Fastify()
  t.teardown(() => withoutTokens.close())
  await withoutTokens.register(sessions, { store: memory, authKey: KEY, cleanupInterval: 0 })
  await t.rejects(async () => { await withoutTokens.register(authRoutes, { authenticate }) }, { name: 'TypeError', message: /"sessions" and "tokens"/ })
  for (const wrong of [{}, { authenticate: 'me' }, { authenticate, register: true }, { authenticate, autenticate: authenticate }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await t.rejects(async () => { await app.register(authRoutes, wrong as { authenticate: typeof authenticate }) }, { name: 'TypeError', message: /authenticate|register/ })
  }
})

t.test('closing the application closes tokens and sessions', async (t) => {
  const { app, store, tokenStore } = await openTokenApp(t)
  let closed = 0
  const close = tokenStore.close.bind(tokenStore)
  tokenStore.close = async () => {
    t.equal(store.closed, 0, 'tokens before the sessions that they belong to')
    closed++
    await close()
  }
  await app.close()
  t.strictSame([closed, store.closed], [1, 1])
})

t.test('contexts of their own have tokens of their own', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of ['one', 'two']) {
    await app.register(async (app) => {
      const memory = store()
      await app.register(sessions, { store: memory, authKey: KEY, cleanupInterval: 0 })
      await app.register(tokens, { ...options(memory), audience: name })
      await app.register(authRoutes, { prefix: `/${name}`, authenticate: async ({ email }) => ({ id: email }) })
    })
  }
  const login = await app.inject({ method: 'POST', url: '/one/login', payload: { email: 'ada', password: 'x' } })
  const headers = bearer(login.json<{ access_token: string }>().access_token)
  t.equal((await app.inject({ url: '/one/me', headers })).statusCode, 200)
  t.equal((await app.inject({ url: '/two/me', headers })).statusCode, 401)
})

t.test('the request property of sessions may have any name', async (t) => {
  const { app } = await openTokenApp(t, { sessions: { decorator: 'visit' }, prefix: '/v1/account' })
  const { access_token: token, cookie } = await signIn(app, 'ada', '/v1/account')
  for (const headers of [bearer(token), { cookie }]) t.match((await app.inject({ url: '/v1/account/me', headers })).json(), { user: { id: 'ada' }, session: { current: true } })
})

t.test('issue, refresh and revoke, as an application calls them', async (t) => {
  const { app, clock } = await openTokenApp(t, {
    routes (app) {
      app.post('/in/:user', async (request) => {
        const { user } = request.params as { user: string }
        request.session.setUserId(user, { isAdmin: true })
        return await app.tokens.issue(request)
      })
      app.post('/nobody', async (request) => await app.tokens.issue(request))
      app.get('/me', { preHandler: app.requireAuth }, async (request) => request.auth)
    }
  })
  t.match((await app.inject({ method: 'POST', url: '/nobody' })).json(), { statusCode: 401, code: 'ERR_NOT_SIGNED_IN' })
  const pair = (await app.inject({ method: 'POST', url: '/in/ada' })).json<{ accessToken: string, refreshToken: string }>()
  t.match((await app.inject({ url: '/me', headers: bearer(pair.accessToken) })).json(), { userId: 'ada', isAdmin: true, via: 'token' })
  clock.advance(90)
  const next = await app.tokens.refresh(pair.refreshToken)
  t.equal((await app.inject({ url: '/me', headers: bearer(next.accessToken) })).statusCode, 200)
  t.equal(await app.tokens.revoke(next.refreshToken ?? ''), true)
  t.equal((await app.inject({ url: '/me', headers: bearer(next.accessToken) })).statusCode, 401)
  t.equal(await app.tokens.revoke(next.refreshToken ?? ''), false)
})
