import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { bearer, openTokenApp, PASSWORD, signIn } from '../helpers/token-app.js'
import { setCookies } from '../helpers/session-app.js'

const NOBODY = { status: 401, code: 'ERR_UNAUTHENTICATED', challenge: 'Bearer' }
const BAD = { status: 401, code: 'ERR_UNAUTHENTICATED', challenge: 'Bearer error="invalid_token"' }
const FORBIDDEN = { status: 403, code: 'ERR_FORBIDDEN', challenge: 'Bearer error="insufficient_scope"' }
const OK = { status: 200, code: undefined, challenge: undefined }

const GUARDS = ['verifyAccessToken', 'requireAuth', 'requireAdmin', 'requireEditor', 'recent'] as const

const routes = (app: FastifyInstance): void => {
  const { verifyAccessToken, verifyRefreshToken, requireAuth, requireAdmin } = app
  const guards = { verifyAccessToken, requireAuth, requireAdmin, requireEditor: app.requireRole('editor', 'chief'), recent: app.requireRecentAuth(60) }
  for (const [name, guard] of Object.entries(guards)) {
    app.all(`/${name}`, { preHandler: guard }, async (request) => request.auth)
    app.all(`/${name}/early`, { onRequest: guard }, async (request) => request.auth)
  }
  app.all('/verifyRefreshToken', { preHandler: verifyRefreshToken }, async (request) => request.refresh)
  app.all('/open', async (request) => ({ auth: request.auth, refresh: request.refresh }))
  app.all('/both', { preHandler: [verifyRefreshToken, verifyAccessToken] }, async (request) => ({ auth: request.auth, refresh: request.refresh }))
}

t.test('each guard accepts its credentials and no others', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const ada = await signIn(app, 'ada')
  const root = await signIn(app, 'root')
  const ed = await signIn(app, 'ed')
  const garbled = ada.access_token.slice(0, -4) + 'AAAA'
  const table: { title: string, headers: Record<string, string>, expected: Record<typeof GUARDS[number], object> }[] = [
    { title: 'nothing', headers: {}, expected: { verifyAccessToken: NOBODY, requireAuth: NOBODY, requireAdmin: NOBODY, requireEditor: NOBODY, recent: NOBODY } },
    { title: 'another scheme', headers: { authorization: 'Basic YTpi' }, expected: { verifyAccessToken: NOBODY, requireAuth: NOBODY, requireAdmin: NOBODY, requireEditor: NOBODY, recent: NOBODY } },
    { title: 'a user\'s Bearer', headers: bearer(ada.access_token), expected: { verifyAccessToken: OK, requireAuth: OK, requireAdmin: FORBIDDEN, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'the scheme in small letters', headers: { authorization: `bearer ${ada.access_token}` }, expected: { verifyAccessToken: OK, requireAuth: OK, requireAdmin: FORBIDDEN, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'an administrator\'s Bearer', headers: bearer(root.access_token), expected: { verifyAccessToken: OK, requireAuth: OK, requireAdmin: OK, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'an editor\'s Bearer', headers: bearer(ed.access_token), expected: { verifyAccessToken: OK, requireAuth: OK, requireAdmin: FORBIDDEN, requireEditor: OK, recent: OK } },
    { title: 'a user\'s session cookie', headers: { cookie: ada.cookie }, expected: { verifyAccessToken: NOBODY, requireAuth: OK, requireAdmin: FORBIDDEN, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'an administrator\'s session cookie', headers: { cookie: root.cookie }, expected: { verifyAccessToken: NOBODY, requireAuth: OK, requireAdmin: OK, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'the access cookie', headers: { cookie: `__Host-at=${ed.access_token}` }, expected: { verifyAccessToken: OK, requireAuth: OK, requireAdmin: FORBIDDEN, requireEditor: OK, recent: OK } },
    { title: 'a forged Bearer', headers: bearer(garbled), expected: { verifyAccessToken: BAD, requireAuth: BAD, requireAdmin: BAD, requireEditor: BAD, recent: BAD } },
    { title: 'a forged Bearer beside a good session cookie', headers: { ...bearer(garbled), cookie: ada.cookie }, expected: { verifyAccessToken: BAD, requireAuth: BAD, requireAdmin: BAD, requireEditor: BAD, recent: BAD } },
    { title: 'a forged access cookie', headers: { cookie: `__Host-at=${garbled}` }, expected: { verifyAccessToken: BAD, requireAuth: BAD, requireAdmin: BAD, requireEditor: BAD, recent: BAD } },
    { title: 'a forged access cookie beside a good session cookie', headers: { cookie: `__Host-at=${garbled}; ${root.cookie}` }, expected: { verifyAccessToken: BAD, requireAuth: OK, requireAdmin: OK, requireEditor: FORBIDDEN, recent: OK } },
    { title: 'two access cookies that differ', headers: { cookie: `__Host-at=${ada.access_token}; __Host-at=${root.access_token}` }, expected: { verifyAccessToken: NOBODY, requireAuth: NOBODY, requireAdmin: NOBODY, requireEditor: NOBODY, recent: NOBODY } },
    { title: 'a refresh token as Bearer', headers: bearer(ada.refresh_token), expected: { verifyAccessToken: BAD, requireAuth: BAD, requireAdmin: BAD, requireEditor: BAD, recent: BAD } },
    { title: 'a refresh token in the access cookie', headers: { cookie: `__Host-at=${ada.refresh_token}` }, expected: { verifyAccessToken: BAD, requireAuth: BAD, requireAdmin: BAD, requireEditor: BAD, recent: BAD } },
    { title: 'an access token in the refresh cookie', headers: { cookie: `__Host-rt=${ada.access_token}` }, expected: { verifyAccessToken: NOBODY, requireAuth: NOBODY, requireAdmin: NOBODY, requireEditor: NOBODY, recent: NOBODY } },
    { title: 'the cookie of an application without secure', headers: { cookie: `at=${ada.access_token}` }, expected: { verifyAccessToken: NOBODY, requireAuth: NOBODY, requireAdmin: NOBODY, requireEditor: NOBODY, recent: NOBODY } }
  ]
  for (const { title, headers, expected } of table) {
    for (const guard of GUARDS) {
      for (const url of [`/${guard}`, `/${guard}/early`]) {
        const answer = await app.inject({ url, headers })
        t.strictSame({ status: answer.statusCode, code: answer.json<{ code?: string }>().code, challenge: answer.headers['www-authenticate'] }, expected[guard], `${url}, ${title}`)
      }
    }
  }
})

t.test('request.auth says who asks, by token and by cookie alike', async (t) => {
  const { app, clock } = await openTokenApp(t, { routes })
  const { access_token: token, cookie, session } = await signIn(app, 'ed')
  const expected = { userId: 'ed', isAdmin: false, roles: ['editor'], sessionId: session.id, authenticatedAt: clock.now().toISOString() }
  t.match((await app.inject({ url: '/requireAuth', headers: bearer(token) })).json(), { ...expected, via: 'token' })
  t.match((await app.inject({ url: '/requireAuth', headers: { cookie } })).json(), { ...expected, via: 'cookie' })
  t.match((await app.inject({ url: '/requireAuth', headers: { cookie, ...bearer(token) } })).json(), { ...expected, via: 'token' })
  t.strictSame((await app.inject({ url: '/open', headers: { cookie, ...bearer(token) } })).json(), { auth: null, refresh: null })
})

t.test('guards chain in any order, and a credential is verified once', async (t) => {
  const { app } = await openTokenApp(t, {
    routes (app) {
      const { requireAuth, requireAdmin, verifyAccessToken } = app
      const orders = [[requireAuth, verifyAccessToken, requireAdmin], [requireAdmin, verifyAccessToken, requireAuth], [verifyAccessToken, requireAdmin, app.requireRecentAuth(5)]]
      for (const [index, preHandler] of orders.entries()) app.get(`/${index}`, { preHandler }, async (request) => request.auth)
    }
  })
  const { access_token: token, cookie } = await signIn(app, 'root')
  const { tokens } = app
  const known = tokens.verifyKnown.bind(tokens)
  let verified = 0
  tokens.verifyKnown = (text) => { verified++; return known(text) }
  for (const url of ['/0', '/1', '/2']) {
    verified = 0
    t.equal((await app.inject({ url, headers: bearer(token) })).statusCode, 200)
    t.equal(verified, 1, url)
    t.equal((await app.inject({ url, headers: { cookie } })).statusCode, 401, 'a session cookie is no access token, in whatever order')
  }
})

t.test('an access token that was seen before goes through without a promise, a query or a turn of the loop', async (t) => {
  const { app, takeCalls } = await openTokenApp(t, {
    routes: (app) => app.get('/sync', {
      preHandler (request, reply, done) {
        let isDone = false
        app.requireAuth(request, reply, (error) => { isDone = true; if (error !== undefined) throw error })
        t.ok(isDone || request.headers['x-first'] !== undefined)
        if (isDone) done()
        else app.requireAuth(request, reply, done)
      }
    }, async (request) => request.auth?.userId)
  })
  const { access_token: token } = await signIn(app, 'ada')
  await app.inject({ url: '/sync', headers: { ...bearer(token), 'x-first': 'yes' } })
  takeCalls()
  for (let i = 0; i < 3; i++) t.equal((await app.inject({ url: '/sync', headers: bearer(token) })).body, 'ada')
  t.strictSame(takeCalls(), [])
})

t.test('forged tokens ask no store, and nothing happens to the session that they name', async (t) => {
  const { app, takeCalls } = await openTokenApp(t, { routes })
  const { access_token: access, refresh_token: refresh, session, cookie } = await signIn(app, 'ada')
  takeCalls()
  const [head = '', body = ''] = access.split('.')
  const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`
  const forgedRefresh = refresh.slice(0, -2) + (refresh.endsWith('AA') ? 'BB' : 'AA')
  for (const token of [none, `${head}.${body}.AAAA`, `${head}.${body}`, 'x', 'a.b.c', `${access}.x`, `${access} x`, `${access}=`, forgedRefresh, '__proto__', 'x'.repeat(9000)]) {
    t.equal((await app.inject({ url: '/requireAuth', headers: bearer(token) })).statusCode, 401, token.slice(0, 20))
    for (const headers of [bearer(token), { 'x-refresh-token': token }]) {
      const answer = await app.inject({ method: 'POST', url: '/verifyRefreshToken', headers })
      t.match([answer.statusCode, answer.json().code], [401, 'ERR_TOKEN_INVALID'])
      t.match((await app.inject({ method: 'POST', url: '/auth/refresh', headers })).json(), { status: 401, code: 'ERR_TOKEN_INVALID', error: 'invalid_grant' })
      t.equal((await app.inject({ method: 'POST', url: '/auth/revoke', headers })).statusCode, 204)
      t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers })).statusCode, 204)
    }
  }
  t.strictSame(takeCalls(), [])
  const { sessionId } = (await app.inject({ url: '/requireAuth', headers: { cookie } })).json<{ sessionId: string }>()
  t.equal(sessionId, session.id)
})

t.test('a refresh token never passes as an access token, nor the reverse', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const { access_token: access, refresh_token: refresh } = await signIn(app, 'ada')
  t.equal((await app.inject({ url: '/verifyAccessToken', headers: bearer(refresh) })).statusCode, 401)
  for (const request of [
    { payload: { refresh_token: access } },
    { headers: { 'x-refresh-token': access } },
    { headers: bearer(access) },
    { headers: { cookie: `__Host-rt=${access}` } }
  ]) {
    const answer = await app.inject({ method: 'POST', url: '/auth/refresh', ...request })
    t.match(answer.json(), { status: 401, code: 'ERR_TOKEN_INVALID', error: 'invalid_grant' })
    t.equal((await app.inject({ method: 'POST', url: '/verifyRefreshToken', ...request })).statusCode, 401)
  }
})

t.test('verifyRefreshToken takes the token from wherever it may stand, and does not rotate it', async (t) => {
  const { app, clock, tokenStore } = await openTokenApp(t, { routes })
  const { refresh_token: refresh, session } = await signIn(app, 'ada')
  clock.advance(1000)
  tokenStore.takeCalls()
  for (const request of [
    { payload: { refresh_token: refresh } },
    { headers: { 'x-refresh-token': refresh } },
    { headers: bearer(refresh) },
    { headers: { cookie: `__Host-rt=${refresh}` } }
  ]) {
    t.strictSame((await app.inject({ method: 'POST', url: '/verifyRefreshToken', ...request })).json(), { sessionId: session.id, userId: 'ada', generation: 1 })
  }
  t.strictSame(new Set(tokenStore.takeCalls()), new Set(['getUserFromRefreshToken']))
  t.match((await app.inject({ method: 'POST', url: '/verifyRefreshToken' })).json(), { statusCode: 400, code: 'ERR_TOKEN_MISSING' })
  t.match((await app.inject({ method: 'POST', url: '/verifyRefreshToken', payload: { refresh_token: 7 } })).json(), { statusCode: 400, code: 'ERR_VALIDATION' })
  const answer = await app.inject({ method: 'POST', url: '/verifyRefreshToken', headers: { cookie: `__Host-rt=${refresh}`, 'sec-fetch-site': 'cross-site' } })
  t.match(answer.json(), { statusCode: 403, code: 'ERR_CROSS_SITE' })
})

t.test('credentials of two users in one request are refused, whatever the pair', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const ada = await signIn(app, 'ada')
  const bob = await signIn(app, 'bob')
  for (const headers of [
    { ...bearer(ada.access_token), cookie: bob.cookie },
    { ...bearer(ada.access_token), cookie: `__Host-at=${bob.access_token}` },
    { cookie: `__Host-at=${ada.access_token}; ${bob.cookie}` }
  ]) {
    for (const guard of ['requireAuth', 'verifyAccessToken', 'requireAdmin']) {
      t.match((await app.inject({ url: `/${guard}`, headers })).json(), { statusCode: 400, code: 'ERR_TOKEN_CONFLICT' }, guard)
    }
  }
  const own = await app.inject({ url: '/requireAuth', headers: { ...bearer(ada.access_token), cookie: `${ada.cookie}; __Host-at=x` } })
  t.equal(own.statusCode, 200, 'a token that does not hold is nobody\'s')
  const mixed = await app.inject({ method: 'POST', url: '/both', headers: bearer(ada.access_token), payload: { refresh_token: bob.refresh_token } })
  t.match(mixed.json(), { statusCode: 401, code: 'ERR_TOKEN_WRONG_USER' })
  const same = await app.inject({ method: 'POST', url: '/both', headers: bearer(ada.access_token), payload: { refresh_token: ada.refresh_token } })
  t.match(same.json(), { auth: { userId: 'ada', via: 'token' }, refresh: { userId: 'ada', generation: 1 } })
})

t.test('a page of another site cannot act by the access cookie, and can with a Bearer it must know', async (t) => {
  const { app } = await openTokenApp(t, { routes, sessions: { csrf: { trustedOrigins: ['https://trusted.example'] } } })
  const { access_token: token } = await signIn(app, 'ada')
  const cookie = `__Host-at=${token}`
  const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  for (const guard of ['requireAuth', 'verifyAccessToken']) {
    t.match((await app.inject({ method: 'POST', url: `/${guard}`, headers: { cookie, ...crossSite } })).json(), { statusCode: 403, code: 'ERR_CROSS_SITE' })
    t.equal((await app.inject({ url: `/${guard}`, headers: { cookie, ...crossSite } })).statusCode, 200, 'GET changes nothing')
    t.equal((await app.inject({ method: 'POST', url: `/${guard}`, headers: { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://trusted.example' } })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: `/${guard}`, headers: { cookie } })).statusCode, 200, 'no browser')
    t.equal((await app.inject({ method: 'POST', url: `/${guard}`, headers: { ...bearer(token), ...crossSite } })).statusCode, 200)
  }
})

t.test('attack: an unsafe request of another site with any cookie of ours is refused, whatever Bearer is there', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const { access_token: token, refresh_token: refresh, cookie } = await signIn(app, 'ada')
  const crossSite = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  for (const carried of [cookie, `__Host-at=${token}`, `__Host-rt=${refresh}`, '__Host-at=junk', '__Host-at=a; __Host-at=b']) {
    for (const guard of ['requireAuth', 'verifyAccessToken', 'requireAdmin']) {
      t.match((await app.inject({ method: 'POST', url: `/${guard}`, headers: { cookie: carried, ...bearer(token), ...crossSite } })).json(), { code: 'ERR_CROSS_SITE' }, carried.slice(0, 12))
    }
    t.match((await app.inject({ method: 'POST', url: '/verifyRefreshToken', headers: { cookie: carried, ...crossSite }, payload: { refresh_token: refresh } })).json(), { code: 'ERR_CROSS_SITE' })
    t.equal((await app.inject({ method: 'POST', url: '/requireAuth', headers: { cookie: carried, ...bearer(token), 'sec-fetch-site': 'same-origin' } })).statusCode, 200)
  }
})

t.test('a token in the URL is refused before it is looked at', async (t) => {
  const { app, takeCalls } = await openTokenApp(t, { routes })
  const { access_token: access, refresh_token: refresh } = await signIn(app, 'ada')
  takeCalls()
  for (const query of [`access_token=${access}`, `Access_Token=${access}`, `access%5Ftoken=${access}`, 'access_token', `x=1&access_token=${access}`, `refresh_token=${refresh}`, `t=${refresh}`]) {
    for (const url of [`/requireAuth?${query}`, `/verifyAccessToken?${query}`, `/auth/me?${query}`]) {
      const answer = await app.inject({ url, headers: bearer(access) })
      t.match([answer.statusCode, answer.json().code], [400, 'ERR_TOKEN_IN_URL'], url.slice(0, 40))
      t.notMatch(answer.body, refresh)
    }
    t.match((await app.inject({ method: 'POST', url: `/auth/refresh?${query}`, payload: { refresh_token: refresh } })).json(), { code: 'ERR_TOKEN_IN_URL', error: 'invalid_request' })
  }
  t.strictSame(takeCalls(), [])
  t.equal((await app.inject({ url: '/requireAuth?q=access_token', headers: bearer(access) })).statusCode, 200)
})

t.test('the scheme alone is a malformed request', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  for (const authorization of ['Bearer', 'bearer ', 'Bearer   ']) {
    const answer = await app.inject({ url: '/requireAuth', headers: { authorization } })
    t.match([answer.statusCode, answer.json().code, answer.headers['www-authenticate']], [400, 'ERR_VALIDATION', 'Bearer error="invalid_request"'])
  }
})

t.test('requireRecentAuth asks for a sign-in that is recent by the store\'s clock', async (t) => {
  const { app, clock } = await openTokenApp(t, { routes })
  const { access_token: token, cookie } = await signIn(app, 'ada')
  clock.advance(60)
  for (const headers of [bearer(token), { cookie }]) t.equal((await app.inject({ url: '/recent', headers })).statusCode, 200)
  clock.advance(0.001)
  for (const headers of [bearer(token), { cookie }]) {
    const answer = await app.inject({ url: '/recent', headers })
    t.match([answer.statusCode, answer.json().code], [401, 'ERR_REAUTHENTICATE'])
    t.equal(answer.headers['www-authenticate'], 'Bearer error="insufficient_user_authentication", max_age="60"')
  }
})

t.test('a guard refuses what it cannot mean', async (t) => {
  const { app } = await openTokenApp(t)
  for (const given of [0, -1, NaN, Infinity, '60', null]) t.throws(() => app.requireRecentAuth(given as number), { name: 'TypeError', message: /requireRecentAuth/ })
  for (const roles of [[], [''], ['a', 7]]) t.throws(() => app.requireRole(...roles as [string]), { name: 'TypeError', message: /requireRole/ })
})

t.test('an access token that arrives confirms its generation, once, and the request does not wait for it', async (t) => {
  const { app, tokenStore } = await openTokenApp(t, { routes })
  const { access_token: token } = await signIn(app, 'ada')
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  tokenStore.takeCalls()
  tokenStore.before = async (method) => { if (method === 'confirmRefreshToken') await held }
  for (let i = 0; i < 3; i++) t.equal((await app.inject({ url: '/requireAuth', headers: bearer(token) })).statusCode, 200)
  t.equal((await app.inject({ url: '/verifyAccessToken', headers: bearer(token) })).statusCode, 200)
  t.strictSame(tokenStore.takeCalls(), ['confirmRefreshToken'])
  release()
})

t.test('access tokens are refused as soon as their session has ended, was blocked or has other claims', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const status = async (token: string): Promise<number> => (await app.inject({ url: '/requireAuth', headers: bearer(token) })).statusCode
  const ended = await signIn(app, 'ada')
  const blocked = await signIn(app, 'bob')
  const changed = await signIn(app, 'cid')
  for (const { access_token: token } of [ended, blocked, changed]) t.equal(await status(token), 200)
  await app.sessions.end(ended.session.id)
  await app.sessions.block(blocked.session.id, 'a test')
  await app.sessions.setClaims('cid', { isAdmin: true })
  for (const { access_token: token } of [ended, blocked, changed]) t.equal(await status(token), 401)
  await app.sessions.unblock(blocked.session.id)
  t.equal(await status(blocked.access_token), 200)
})

t.test('identity is never read from the headers of a request', async (t) => {
  const { app } = await openTokenApp(t, { routes })
  const headers = { 'x-user-id': 'root', 'x-is-admin': 'true', 'x-session-id': 'x' }
  t.equal((await app.inject({ url: '/requireAuth', headers })).statusCode, 401)
  const { access_token: token } = await signIn(app, 'ada')
  t.equal((await app.inject({ url: '/requireAdmin', headers: { ...headers, ...bearer(token) } })).statusCode, 403)
})

t.test('identityHeaders: what a client says of itself never arrives, and what a guard has found does', async (t) => {
  const { app } = await openTokenApp(t, {
    tokens: { identityHeaders: true },
    routes (app) {
      const tell = async (request: { headers: object, raw: { rawHeaders: string[] } }) => ({ headers: request.headers, raw: request.raw.rawHeaders })
      app.get('/open', tell)
      app.get('/guarded', { preHandler: app.requireAuth }, tell)
    }
  })
  const forged = { 'X-User-Id': 'root', 'x-user-email': 'r@x', x_user_id: 'root', 'X-User_Roles': 'all', 'X-Is-Admin': 'true', x_is_admin: 'true', 'X-Session-Id': 'y', 'X-Session_ID': 'y' }
  const spoken = (answer: { headers: object }): string[] => Object.keys(answer.headers).filter((name) => /^x[-_](user|is|session)/i.test(name)).sort()
  const open = (await app.inject({ url: '/open', headers: forged })).json<{ headers: Record<string, string>, raw: string[] }>()
  t.strictSame(spoken(open), [])
  t.notMatch(open.raw.join(), /root/)
  const { access_token: token, session } = await signIn(app, 'ada')
  const guarded = (await app.inject({ url: '/guarded', headers: { ...forged, ...bearer(token) } })).json<{ headers: Record<string, string> }>()
  t.strictSame(spoken(guarded), ['x-is-admin', 'x-session-id', 'x-user-id'])
  t.match(guarded.headers, { 'x-user-id': 'ada', 'x-is-admin': 'false', 'x-session-id': session.id })
})

t.test('no spelling of a URL leads around a guard', async (t) => {
  const { app } = await openTokenApp(t, { routes, server: { routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } } })
  for (const base of ['/auth/me', '/requireAuth']) {
    const last = base.split('/').at(-1) ?? ''
    for (const url of [`/${base}`, `${base}/`, base.toUpperCase(), base.replace(last, `%${last.charCodeAt(0).toString(16)}${last.slice(1)}`), `${base};x`, `${base}%20`, `${base}%00`, `${base}%2f`, `/x/..${base}`, `${base}?x`, `${base}#x`]) {
      const { statusCode } = await app.inject({ url })
      t.ok([400, 401, 404].includes(statusCode), `${url}: ${statusCode}`)
    }
  }
})

t.test('a route without a session takes access tokens alone', async (t) => {
  const { app } = await openTokenApp(t, { routes: (app) => app.get('/api', { config: { session: false }, preHandler: app.requireAuth }, async (request) => request.auth?.via) })
  const { access_token: token, cookie } = await signIn(app, 'ada')
  t.equal((await app.inject({ url: '/api', headers: { cookie } })).statusCode, 401)
  t.equal((await app.inject({ url: '/api', headers: { cookie, ...bearer(token) } })).body, 'token')
})

t.test('with secure off the access cookie is called "at"', async (t) => {
  const { app } = await openTokenApp(t, { routes, sessions: { secure: false } })
  const answer = await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ada@example.com', password: PASSWORD, transport: 'cookie' } })
  t.strictSame(setCookies(answer).map(({ name }) => name).sort(), ['at', 'rt', 'sid'])
  const cookie = setCookies(answer, 'at').map(({ name, value }) => `${name}=${value}`).join()
  t.equal((await app.inject({ url: '/verifyAccessToken', headers: { cookie } })).statusCode, 200)
})
