import { createRequire } from 'node:module'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest, preValidationHookHandler } from 'fastify'
import t from 'tap'
import { anySession, Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

// The real packages. Loaded without their types: those declare `request.session` for @fastify/secure-session.
const load = createRequire(import.meta.url)
const csrfProtection: FastifyPluginAsync<Record<string, unknown>> = load('@fastify/csrf-protection')
const flash: FastifyPluginAsync<object> = load('@fastify/flash')

interface PassportLike {
  use (name: string, strategy: object): unknown
  initialize (): FastifyPluginAsync<object>
  secureSession (): FastifyPluginAsync<object>
  registerUserSerializer (serialize: (user: { id: string }) => Promise<unknown>): void
  registerUserDeserializer (deserialize: (stored: unknown) => Promise<unknown>): void
  authenticate (strategy: string, options: object): preValidationHookHandler
}
const { Authenticator, Strategy }: { Authenticator: new (options?: object) => PassportLike, Strategy: new (name: string) => object } = load('@fastify/passport')

const as = <T>(value: unknown): T => value as T

t.test('@fastify/csrf-protection keeps its secret in the session, and checks tokens by it', async (t) => {
  const { app } = await openApp(t, {
    routes: async (app) => {
      await app.register(csrfProtection, { sessionPlugin: '@fastify/secure-session' })
      app.get('/token', async (_, reply) => as<{ generateCsrf (options?: object): string }>(reply).generateCsrf())
      app.get('/token-for-user', async (_, reply) => as<{ generateCsrf (options?: object): string }>(reply).generateCsrf({ userInfo: 'ada', sameSite: 'strict' }))
      app.post('/protected', { onRequest: as<{ csrfProtection: preValidationHookHandler }>(app).csrfProtection }, async () => 'passed')
    }
  })
  const browser = new Browser(app)
  const token = (await browser.get('/token')).body
  t.equal((await browser.post('/protected', { headers: { 'csrf-token': token } })).statusCode, 200)
  t.equal((await browser.get('/token')).statusCode, 200)
  t.equal((await browser.post('/protected')).statusCode, 403, 'no token')
  t.equal((await browser.post('/protected', { headers: { 'csrf-token': `${token}x` } })).statusCode, 403, 'a forged token')
  t.equal((await new Browser(app).post('/protected', { headers: { 'csrf-token': token } })).statusCode, 403, 'a token without its session')
  const other = new Browser(app)
  await other.get('/token')
  t.equal((await other.post('/protected', { headers: { 'csrf-token': token } })).statusCode, 403, 'the token of another session')
  await browser.post('/regenerate')
  t.equal((await browser.post('/protected', { headers: { 'csrf-token': token } })).statusCode, 403, 'a token of before a regenerate')
  const [cookie] = setCookies(await other.get('/token-for-user'), NAME)
  t.equal(cookie?.attributes['SameSite'], 'Strict', 'its options reach the cookie')
})

t.test('@fastify/flash: a message set in one request is read in the next, once', async (t) => {
  type Flashing = FastifyRequest & { flash (type: string, ...message: (string | string[])[]): number }
  const { app } = await openApp(t, {
    routes: async (app) => {
      await app.register(flash)
      app.post('/tell', async (request) => {
        const { flash } = request as Flashing
        t.equal(flash.call(request, 'info', 'first'), 1)
        t.equal(flash.call(request, 'info', ['second', 'third']), 3)
        t.equal(flash.call(request, 'error', 'n = %d', as<string>(5)), 1)
        return 'told'
      })
      app.get('/info', async (_, reply) => as<{ flash (type: string): string[] }>(reply).flash('info'))
      app.get('/all', async (_, reply) => as<{ flash (): object }>(reply).flash())
    }
  })
  const browser = new Browser(app)
  await browser.post('/tell')
  t.strictSame((await browser.get('/info')).json(), ['first', 'second', 'third'])
  t.strictSame((await browser.get('/info')).json(), [])
  t.strictSame((await browser.get('/all')).json(), { error: ['n = 5'] })
  t.strictSame((await browser.get('/all')).json(), {})
})

/** @fastify/passport with a strategy that believes the name it is given. */
async function addPassport (app: FastifyInstance, options: object = {}): Promise<void> {
  const passport = new Authenticator(options)
  class Trusting extends Strategy {
    authenticate (this: { success (user: object): void, fail (status: number): void }, request: FastifyRequest): void {
      const { user } = request.query as { user?: string }
      if (user === undefined) this.fail(401)
      else this.success({ id: user })
    }
  }
  passport.use('trusting', new Trusting('trusting'))
  passport.registerUserSerializer(async ({ id }) => id)
  passport.registerUserDeserializer(async (id) => ({ id }))
  await app.register(passport.initialize())
  await app.register(passport.secureSession())
  app.post('/passport/login', { preValidation: passport.authenticate('trusting', { authInfo: false }) }, async () => 'in')
  app.post('/passport/flash-login', { preValidation: passport.authenticate('trusting', { authInfo: false, failureFlash: 'no such user', failureRedirect: '/' }) }, async () => 'in')
  app.post('/passport/logout', async (request) => {
    await as<{ logout (): Promise<void> }>(request).logout()
    return 'out'
  })
  app.get('/who', async (request) => ({ user: as<{ user: unknown }>(request).user, authenticated: as<{ isAuthenticated (): boolean }>(request).isAuthenticated() }))
}

t.test('@fastify/passport: login regenerates the session, logout ends what it meant', async (t) => {
  const { app, store } = await openApp(t, { routes: addPassport })
  const browser = new Browser(app)
  await browser.post('/set/cart/full')
  const before = await browser.session()
  const attacker = browser.copy()

  t.equal((await browser.post('/passport/login')).statusCode, 401)
  t.match((await browser.get('/who')).json(), { user: null, authenticated: false })

  const login = await browser.post('/passport/login?user=ada')
  t.equal(login.statusCode, 200, login.body)
  t.equal(setCookies(login, NAME).length, 1)
  t.strictSame((await browser.get('/who')).json(), { user: { id: 'ada' }, authenticated: true })
  const after = await browser.session()
  t.not(after.id, before.id)
  t.strictSame(after.values, { passport: 'ada' }, 'what is not kept is gone')
  t.equal(await store.get(before.id), null)
  t.match((await attacker.get('/who')).json(), { user: null, authenticated: false }, 'session fixation: the cookie of before is dead')

  const stolen = browser.copy()
  t.equal((await browser.post('/passport/logout')).statusCode, 200)
  t.match((await browser.get('/who')).json(), { user: null, authenticated: false })
  t.match((await stolen.get('/who')).json(), { user: null, authenticated: false }, 'a cookie of before the logout, replayed')
  t.notMatch((await browser.session()).values, { passport: 'ada' })
})

t.test('@fastify/passport: a visitor without a session logs in with one row and one cookie', async (t) => {
  const { app, store } = await openApp(t, { routes: addPassport })
  const browser = new Browser(app)
  const answer = await browser.post('/passport/login?user=ada')
  t.equal(setCookies(answer).length, 1)
  t.equal(store.takeCalls().filter((method) => method === 'create').length, 1)
  t.strictSame((await browser.get('/who')).json(), { user: { id: 'ada' }, authenticated: true })
})

t.test('@fastify/passport: fields to keep survive the login, and clearSessionOnLogin: false keeps all', async (t) => {
  for (const [options, values] of [
    [{ clearSessionIgnoreFields: ['cart'] }, { cart: 'full', passport: 'ada' }],
    [{ clearSessionOnLogin: false }, { cart: 'full', other: '1', passport: 'ada' }]
  ] as const) {
    const { app } = await openApp(t, { routes: async (app) => { await addPassport(app, options) } })
    const browser = new Browser(app)
    await browser.post('/set/cart/full')
    await browser.post('/set/other/1')
    const before = await browser.session()
    t.equal((await browser.post('/passport/login?user=ada')).statusCode, 200)
    const after = await browser.session()
    t.strictSame(after.values, values)
    t.not(after.id, before.id)
  }
})

t.test('@fastify/passport: a failed login flashes its message into the session', async (t) => {
  const { app } = await openApp(t, {
    routes: async (app) => {
      await addPassport(app)
      app.get('/flashed', async (_: FastifyRequest, reply: FastifyReply) => as<{ flash (): object }>(reply).flash())
    }
  })
  const browser = new Browser(app)
  t.equal((await browser.post('/passport/flash-login')).statusCode, 302)
  t.match(JSON.stringify((await browser.get('/flashed')).json()), /no such user/)
})

t.test('@fastify/passport: a login that cannot be stored is no login', async (t) => {
  const { app, store } = await openApp(t, { routes: addPassport })
  const browser = new Browser(app)
  await browser.post('/set/cart/full')
  store.break('save', 'create')
  const answer = await browser.post('/passport/login?user=ada')
  t.equal(answer.statusCode, 503)
  t.strictSame(setCookies(answer), [])
  store.mend()
  t.match((await browser.get('/who')).json(), { user: null, authenticated: false })
  t.strictSame((await browser.session()).values, { cart: 'full' })
})

t.test('the three together, on one session, with what the application keeps itself', async (t) => {
  const { app } = await openApp(t, {
    routes: async (app) => {
      await app.register(csrfProtection, { sessionPlugin: '@fastify/secure-session' })
      await addPassport(app)
      app.get('/token', async (_, reply) => as<{ generateCsrf (): string }>(reply).generateCsrf())
      app.post('/form', { preValidation: as<{ csrfProtection: preValidationHookHandler }>(app).csrfProtection }, async (request) => {
        as<{ flash (type: string, message: string): number }>(request).flash('info', 'saved')
        anySession(request).set('form', 1)
        return 'saved'
      })
    }
  })
  const browser = new Browser(app)
  await browser.post('/passport/login?user=ada')
  const token = (await browser.get('/token')).body
  t.equal((await browser.post('/form', { headers: { 'x-csrf-token': token } })).statusCode, 200)
  t.match((await browser.session()).values, { passport: 'ada', flash: { info: ['saved'] }, form: 1, _csrf: String })
})
