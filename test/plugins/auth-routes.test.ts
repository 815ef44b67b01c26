import t from 'tap'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { RequestError } from '../../src/plugins/problems.js'
import { anySession, Browser, gate, KEY, LogLines, NAME, setCookies, signed } from '../helpers/session-app.js'
import { bearer, openTokenApp, PASSWORD, signIn, type SignInAnswer } from '../helpers/token-app.js'

const RT = '__Host-rt'
const UNKNOWN_ID = '7b0f6a0e-3f4a-4c5b-9c6d-0123456789ab'
const CHROME = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

const login = (email = 'ada@example.com', extra: object = {}): InjectOptions => ({ method: 'POST', url: '/auth/login', payload: { email, password: PASSWORD, ...extra } })

/** A problem document that says nothing it should not (RFC 9457, ASVS 16.5.1). */
const problem = (status: number, code: string, more: object = {}): object => ({ type: 'about:blank', title: String, status, code, ...more })

t.test('login answers the user, the session as the list of devices shows it, and the tokens', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const answer = await app.inject({ ...login(), headers: { 'user-agent': CHROME } })
  t.equal(answer.statusCode, 200)
  const now = clock.now().toISOString()
  const body = answer.json<SignInAnswer>()
  t.match(body, {
    user: { id: 'ada', isAdmin: false },
    session: { id: String, current: true, device: 'Chrome on macOS', clientIp: '127.0.0.1', createdAt: now, lastSeenAt: now, blocked: false },
    token_type: 'Bearer'
  })
  t.strictSame(Object.keys(body.session).sort(), ['blocked', 'clientIp', 'createdAt', 'current', 'device', 'expiresAt', 'id', 'lastSeenAt'])
  t.match((await app.inject({ url: '/auth/sessions', headers: bearer(body.access_token) })).json(), [body.session])
  t.match((await app.inject({ url: '/auth/me', headers: bearer(body.access_token) })).json(), { user: body.user, session: body.session })
  t.match((await app.inject({ url: '/auth/me', headers: { cookie: answer.cookies.map(({ name, value }) => `${name}=${value}`).join() } })).json(), { user: body.user, session: body.session })
})

t.test('login always begins a new session, and the values of an anonymous one come along', async (t) => {
  const { app } = await openTokenApp(t, {
    routes (app) {
      app.post('/put', async (request) => { Reflect.apply(request.session.set, request.session, ['cart', ['lamp']]) })
      app.get('/values', async (request) => ({ id: request.session.id, values: request.session.values }))
    }
  })
  const browser = new Browser(app)
  await browser.post('/put')
  const before = (await browser.get('/values')).json<{ id: string }>()
  const old = browser.copy()
  const first = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
  t.not(first.session.id, before.id)
  t.match((await browser.get('/values')).json(), { id: first.session.id, values: { cart: ['lamp'] } })
  t.strictSame((await old.get('/values')).json<{ values: object }>().values, {}, 'session fixation: the old cookie is dead')
  const second = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
  t.not(second.session.id, first.session.id)
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(first.access_token) })).statusCode, 401)
  t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: first.refresh_token } })).json(), { code: 'ERR_TOKEN_REVOKED' })
  t.equal((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: second.refresh_token } })).statusCode, 200)
})

t.test('a failed login tells one and the same thing, sets no cookie and leaves the session that was there', async (t) => {
  const { app } = await openTokenApp(t, { auth: { confirmSignIn: async ({ id }) => id !== 'late' } })
  const browser = new Browser(app)
  await browser.send('POST', '/auth/login', login())
  const unknown = await app.inject(login('nobody@elsewhere.example'))
  const wrong = await app.inject({ ...login(), payload: { email: 'ada@example.com', password: 'x' } })
  const late = await app.inject(login('late@example.com'))
  const shown = ({ statusCode, body, headers: { date: _date, ...headers } }: LightMyRequestResponse): object => ({ statusCode, body, headers })
  t.strictSame(shown(wrong), shown(unknown))
  t.strictSame(shown(late), shown(unknown), 'and one that was overtaken by a change of the password as well')
  t.match(unknown.json(), problem(401, 'ERR_CREDENTIALS'))
  t.match(unknown.headers, { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' })
  t.strictSame(await app.sessions.list('late'), [], 'its session is dead')

  const answer = await browser.send('POST', '/auth/login', login('nobody@elsewhere.example'))
  t.strictSame([answer.statusCode, setCookies(answer)], [401, []])
  t.equal((await browser.get('/auth/me')).statusCode, 200)
})

t.test('a sign-in whose tokens cannot be stored is a 503 that signs nobody in', async (t) => {
  const { app, tokenStore } = await openTokenApp(t)
  tokenStore.break()
  for (const transport of ['body', 'cookie', 'hybrid']) {
    const answer = await app.inject(login('ada@example.com', { transport }))
    t.match(answer.json(), problem(503, 'ERR_STORE'))
    t.match(answer.headers, { 'retry-after': String, 'cache-control': 'no-store' })
    t.strictSame(setCookies(answer), [])
  }
  t.strictSame(await app.sessions.list('ada'), [])
})

t.test('a sign-in whose session cannot be stored is one line of the log at the level of errors, with the cause', async (t) => {
  const log = new LogLines()
  const { app, store } = await openTokenApp(t, { server: { logger: { level: 'info', stream: log } } })
  const { cookie } = await signIn(app, 'ada')
  store.break('create')
  for (const headers of [{}, { cookie }]) {
    log.lines.length = 0
    const answer = await app.inject({ ...login(), headers })
    t.match(answer.json(), problem(503, 'ERR_STORE'))
    t.strictSame(setCookies(answer), [])
    const errors = log.withMessage(/./).filter(({ level }) => Number(level) >= 50)
    t.equal(errors.length, 1)
    t.match(errors[0], { err: { code: 'ERR_STORE', stack: /disk is on fire/ } })
  }
})

t.test('parallel sign-ins beyond maxSessionsPerUser: each that is refused says what to do, and the browser keeps the cookie of one that lives', async (t) => {
  for (const transport of ['body', 'none']) {
    const [stored, leave] = [gate(), gate()]
    let signIns = 0
    const { app } = await openTokenApp(t, {
      sessions: { maxSessionsPerUser: 1 },
      auth: {
        confirmSignIn: async () => { // its session is stored
          if (++signIns > 1) return true
          stored.open()
          await leave.opened
          return true
        }
      }
    })
    const browser = new Browser(app)
    const [first, second] = [browser.copy(), browser]
    const early = first.send('POST', '/auth/login', login('ada@example.com', { transport }))
    await stored.opened
    t.equal((await second.send('POST', '/auth/login', login('ada@example.com', { transport }))).statusCode, 200)
    leave.open()
    const answer = await early
    t.match(answer.json(), { ...problem(409, 'ERR_SESSION_GONE'), detail: /another sign-in.* sign in again$/ }, transport)
    t.strictSame(setCookies(answer), [])
    t.equal((await second.get('/auth/me')).statusCode, 200, 'the other is signed in')
    t.equal((await first.send('POST', '/auth/login', login('ada@example.com', { transport }))).statusCode, 200, 'and to do so helps')
  }
})

t.test('what confirmSignIn changes of the session is kept, with maxSessionsPerUser, too', async (t) => {
  for (const maxSessionsPerUser of [0, 2]) {
    const { app, store } = await openTokenApp(t, {
      sessions: { maxSessionsPerUser },
      auth: {
        async confirmSignIn (_user, request) {
          anySession(request).set('greeted', true)
          return true
        }
      }
    })
    const answer = await app.inject(login('ada@example.com', { transport: 'none' }))
    t.match((await store.get(answer.json().session.id))?.values, { greeted: true }, `${maxSessionsPerUser}`)
  }
})

t.test('register makes a user and signs them in, where the application can make users', async (t) => {
  const { app: without } = await openTokenApp(t)
  t.equal((await without.inject({ ...login(), url: '/auth/register' })).statusCode, 404)
  const { app } = await openTokenApp(t, {
    auth: {
      async register ({ email, password }) {
        if (password.length < 4) throw new RequestError(422, 'ERR_WEAK_PASSWORD', 'the password is too short', 'password')
        return email === 'taken@example.com' ? null : { id: email, profile: { email, isAdmin: false } }
      }
    }
  })
  const register = async (payload: object): Promise<LightMyRequestResponse> => await app.inject({ method: 'POST', url: '/auth/register', payload })
  const made = await register({ email: 'new@example.com', password: PASSWORD })
  t.equal(made.statusCode, 201)
  t.match(made.json(), { user: { email: 'new@example.com' }, session: { current: true }, access_token: String, refresh_token: String })
  t.equal(setCookies(made, NAME).length, 1)
  t.match((await register({ email: 'new@example.com', password: PASSWORD, transport: 'none' })).json(), { user: {}, session: {} })
  t.match((await register({ email: 'taken@example.com', password: PASSWORD })).json(), problem(409, 'ERR_USER_EXISTS', { field: 'email' }))
  t.match((await register({ email: 'new@example.com', password: 'abc' })).json(), problem(422, 'ERR_WEAK_PASSWORD', { field: 'password' }))
  t.match((await register({ email: 'new@example.com', password: PASSWORD, isAdmin: true })).json(), problem(400, 'ERR_VALIDATION', { field: 'isAdmin' }))
})

t.test('a malformed body is refused by name, and no callback sees it', async (t) => {
  let calls = 0
  const count = async (): Promise<null> => { calls++; return null }
  const { app } = await openTokenApp(t, { auth: { authenticate: count, register: count } })
  const table: { payload: unknown, field: string }[] = [
    { payload: {}, field: 'email' },
    { payload: { email: 'a' }, field: 'password' },
    { payload: { email: 7, password: 'x' }, field: 'email' },
    { payload: { email: 'a', password: ['x'] }, field: 'password' },
    { payload: { email: 'a', password: { $ne: null } }, field: 'password' },
    { payload: { email: 'a', password: null }, field: 'password' },
    { payload: { email: 'a', password: '' }, field: 'password' },
    { payload: { email: 'a', password: 'x', transport: 'pigeon' }, field: 'transport' },
    { payload: { email: 'a', password: 'x', grant_type: 'password' }, field: 'grant_type' },
    { payload: [], field: 'body' }
  ]
  for (const { payload, field } of table) {
    for (const url of ['/auth/login', '/auth/register']) {
      const answer = await app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: JSON.stringify(payload) })
      t.match(answer.json(), problem(400, 'ERR_VALIDATION', { field }), JSON.stringify(payload))
      t.match(answer.headers, { 'content-type': /^application\/problem\+json/, 'cache-control': 'no-store' })
    }
  }
  for (const payload of ['{', 'null', '', '"x"', '{"email":"a","password":"x","__proto__":{}}']) {
    t.equal((await app.inject({ method: 'POST', url: '/auth/login', headers: { 'content-type': 'application/json' }, payload })).statusCode, 400, payload)
  }
  t.match((await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'a', password: 'x'.repeat(4096) } })).json(), problem(413, 'ERR_TOO_LARGE'))
  t.equal(calls, 0)
})

t.test('no type of content smuggles an unchecked body past the schema', async (t) => {
  const seen: unknown[] = []
  const { app } = await openTokenApp(t, { auth: { authenticate: async (credentials) => { seen.push(credentials); return null } } })
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'APPLICATION/JSON', ' application/json', 'application/json ;charset=utf-8', 'application/json\t; x', 'application/json;', 'application/jsonx', 'application/json, text/plain', 'application/ld+json', 'application/json; charset=utf-16', '', undefined]
  for (const type of types) {
    for (const payload of ['{"email":{"$gt":""},"password":7}', '"text"', '[]']) {
      for (const url of ['/auth/login', '/auth/refresh', '/auth/revoke', '/auth/logout']) {
        const answer = await app.inject({ method: 'POST', url, headers: { ...(type !== undefined && { 'content-type': type }) }, payload })
        t.ok([400, 415].includes(answer.statusCode), `${type}, ${url}: ${answer.statusCode}`)
      }
    }
  }
  t.strictSame(seen, [])
})

t.test('handlers check types themselves where the application validates nothing', async (t) => {
  const seen: unknown[] = []
  const { app } = await openTokenApp(t, {
    before: (app) => app.setValidatorCompiler(() => () => true),
    auth: {
      authenticate: async (credentials) => { seen.push(credentials); return null },
      changePassword: async (_id, passwords) => { seen.push(passwords); return true },
      checkPassword: async (_id, password) => { seen.push(password); return true }
    }
  })
  const cookie = `${NAME}=${await visitorWithUser(app)}`
  for (const payload of [undefined, {}, { email: ['a'], password: {} }, { email: 'a' }, { current: 7, next: 'x' }, { current: 'x' }, { password: 7 }]) {
    for (const url of ['/auth/login', '/auth/password', '/auth/reauthenticate']) {
      t.match((await app.inject({ method: 'POST', url, headers: { cookie }, ...(payload !== undefined && { payload }) })).json(), { status: 400, code: 'ERR_VALIDATION' })
    }
  }
  t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: { length: 3 } } })).json(), { status: 400, code: 'ERR_VALIDATION', field: 'refresh_token' })
  t.strictSame(seen, [])
})

/** The value of the session cookie of a user, begun in the store. */
async function visitorWithUser (app: Awaited<ReturnType<typeof openTokenApp>>['app']): Promise<string> {
  const { hashSecret, newId, newSecret } = await import('../../src/core/credential.js')
  const [id, secret] = [newId(), newSecret()]
  await app.sessions.store.create({ id, secretHash: hashSecret(secret), userId: 'ada', claims: {}, set: {}, unset: [], maxAge: null, idleSeconds: 900, absoluteSeconds: 9000, userAgent: null, clientIp: null })
  return signed({ id, secret, issuedAt: Date.parse('2035-06-01T12:00:00Z') }, NAME, KEY)
}

t.test('every unsafe request of another site is refused, with a cookie and without: login CSRF', async (t) => {
  const { app, takeCalls } = await openTokenApp(t, { auth: { register: async () => null, changePassword: async () => true, checkPassword: async () => true } })
  const { refresh_token: token } = await signIn(app, 'ada')
  takeCalls()
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' }]) {
    for (const url of ['login', 'register', 'refresh', 'revoke', 'logout', 'logout-others', 'logout-all', 'password', 'reauthenticate']) {
      const answer = await app.inject({ method: 'POST', url: `/auth/${url}`, headers: { ...headers, 'x-refresh-token': token }, payload: {} })
      t.match(answer.json(), problem(403, 'ERR_CROSS_SITE'), url)
      t.match(answer.headers, { vary: /Sec-Fetch-Site/, 'cache-control': 'no-store' })
    }
    t.equal((await app.inject({ method: 'DELETE', url: `/auth/sessions/${UNKNOWN_ID}`, headers })).statusCode, 403)
  }
  t.strictSame(takeCalls(), [])
})

t.test('GET ends and refreshes nothing', async (t) => {
  const { app } = await openTokenApp(t)
  for (const url of ['login', 'refresh', 'revoke', 'logout', 'logout-others', 'logout-all']) t.equal((await app.inject(`/auth/${url}`)).statusCode, 404, url)
})

t.test('logout ends the session by whatever credential, and clears the cookies that came', async (t) => {
  const { app } = await openTokenApp(t)
  const table: { title: string, request: (answer: SignInAnswer, browser: Browser) => InjectOptions, cookies: string[] }[] = [
    { title: 'all cookies', request: (_, { header: cookie }) => ({ headers: { cookie } }), cookies: [NAME, '__Host-at', RT] },
    { title: 'the session cookie', request: (_, { cookies }) => ({ headers: { cookie: `${NAME}=${cookies.get(NAME)}` } }), cookies: [NAME] },
    { title: 'the refresh cookie', request: (_, { cookies }) => ({ headers: { cookie: `${RT}=${cookies.get(RT)}` } }), cookies: [RT] },
    { title: 'the access cookie', request: (_, { cookies }) => ({ headers: { cookie: `__Host-at=${cookies.get('__Host-at')}` } }), cookies: ['__Host-at'] },
    { title: 'a Bearer', request: (_, { cookies }) => ({ headers: bearer(cookies.get('__Host-at') ?? '') }), cookies: [] },
    { title: 'a refresh token as Bearer', request: (_, { cookies }) => ({ headers: bearer(cookies.get(RT) ?? '') }), cookies: [] },
    { title: 'a refresh token in the body', request: (_, { cookies }) => ({ payload: { refresh_token: cookies.get(RT) } }), cookies: [] },
    { title: 'a refresh token in the header', request: (_, { cookies }) => ({ headers: { 'x-refresh-token': cookies.get(RT) } }), cookies: [] }
  ]
  for (const { title, request, cookies } of table) {
    const browser = new Browser(app)
    const signedIn = (await browser.send('POST', '/auth/login', login('ada@example.com', { transport: 'cookie' }))).json<SignInAnswer>()
    const answer = await app.inject({ ...request(signedIn, browser), method: 'POST', url: '/auth/logout' })
    t.strictSame([answer.statusCode, answer.body], [204, ''], title)
    t.strictSame(setCookies(answer).map(({ name, value, attributes }) => [name, value, attributes['Max-Age']]).sort(), cookies.map((name) => [name, '', '0']).sort(), title)
    for (const cookie of [...browser.cookies].map((pair) => pair.join('='))) t.equal((await app.inject({ url: '/auth/me', headers: { cookie } })).statusCode, 401, title)
    t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: browser.cookies.get(RT) } })).json(), { code: 'ERR_TOKEN_REVOKED', error: 'invalid_grant' }, title)
    t.strictSame(await app.sessions.list('ada'), [], title)
  }
})

t.test('logout without a credential, with a forged or an ended one is a 204, too', async (t) => {
  const { app } = await openTokenApp(t)
  const { access_token: access, refresh_token: refresh, cookie } = await signIn(app, 'ada')
  await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })
  for (const request of [
    {},
    { payload: {} },
    { payload: { refresh_token: 'rt_nonsense' } },
    { headers: { cookie: `${NAME}=forged; ${RT}=forged; __Host-at=forged` } },
    { headers: { cookie } },
    { headers: bearer(access) },
    { headers: bearer('nonsense') },
    { payload: { refresh_token: refresh } }
  ] satisfies InjectOptions[]) {
    t.equal((await app.inject({ ...request, method: 'POST', url: '/auth/logout' })).statusCode, 204, JSON.stringify(request).slice(0, 60))
  }
  const stale = await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })
  t.strictSame(setCookies(stale).map(({ name, value }) => [name, value]), [[NAME, '']], 'what is left of an ended session is cleared')
})

t.test('attack: after a logout while the session is blocked, nothing of it works when the block is lifted', async (t) => {
  const { app } = await openTokenApp(t)
  for (const only of [[NAME], [RT], ['__Host-at'], [NAME, '__Host-at', RT]]) {
    const browser = new Browser(app)
    const { session } = (await browser.send('POST', '/auth/login', login('ada@example.com', { transport: 'cookie' }))).json<SignInAnswer>()
    const kept = [...browser.cookies].map((pair) => pair.join('='))
    await app.sessions.block(session.id, 'stolen laptop')
    const answer = await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie: kept.filter((pair) => only.includes(pair.split('=', 1)[0] ?? '')).join('; ') } })
    t.equal(answer.statusCode, 204)
    t.strictSame(setCookies(answer).map(({ name, value }) => [name, value]).sort(), only.map((name) => [name, '']).sort())
    t.equal(await app.sessions.unblock(session.id), false, `${only.join()}: it has ended`)
    for (const cookie of kept) t.equal((await app.inject({ url: '/auth/me', headers: { cookie } })).statusCode, 401)
    t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: browser.cookies.get(RT) } })).json(), { code: 'ERR_TOKEN_REVOKED' })
  }
})

t.test('attack: a logout with a cookie that has been replaced, or is forged, ends no session, blocked or not', async (t) => {
  const { app } = await openTokenApp(t, { auth: { checkPassword: async () => true } })
  for (const isBlocked of [false, true]) {
    const browser = new Browser(app)
    const { session } = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
    const replaced = browser.header
    t.equal((await browser.post('/auth/reauthenticate', { payload: { password: PASSWORD } })).statusCode, 204)
    t.not(browser.header, replaced)
    const forged = `${NAME}=${signed({ id: session.id, secret: Buffer.alloc(32, 1), issuedAt: Date.now() }, NAME, Buffer.alloc(32, 9))}`
    if (isBlocked) await app.sessions.block(session.id, 'test')
    for (const cookie of [replaced, forged]) t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })).statusCode, 204)
    t.equal(await app.sessions.unblock(session.id), true)
    t.equal((await browser.get('/auth/me')).statusCode, 200)
  }
})

t.test('a logout with an access token alone ends its session though that is blocked or its claims have changed, until the token expires', async (t) => {
  for (const change of ['block', 'claims', 'expiry'] as const) {
    const { app, clock } = await openTokenApp(t, { tokens: { accessTokenTtl: 60 } })
    const { access_token: token, session } = await signIn(app, 'ada')
    if (change === 'block') await app.sessions.block(session.id, 'stolen laptop')
    else if (change === 'claims') await app.sessions.setClaims('ada', { isAdmin: true })
    else clock.advance(61_000)
    t.equal((await app.inject({ url: '/auth/me', headers: bearer(token) })).statusCode, 401, `${change}: it opens nothing`)
    t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: bearer(token) })).statusCode, 204)
    t.equal((await app.sessions.list('ada')).length, change === 'expiry' ? 1 : 0, change)
  }
})

t.test('a logout that cannot end a blocked session is a 503, and its cookie stays', async (t) => {
  const { app, store } = await openTokenApp(t)
  const { cookie, session } = await signIn(app, 'ada')
  await app.sessions.block(session.id, 'test')
  store.break('delete')
  const answer = await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })
  t.strictSame([answer.statusCode, setCookies(answer)], [503, []])
})

t.test('when the storage fails, logout and revoke are a 503 and the cookies stay', async (t) => {
  const { app, tokenStore } = await openTokenApp(t)
  const browser = new Browser(app)
  await browser.send('POST', '/auth/login', login('ada@example.com', { transport: 'cookie' }))
  tokenStore.break()
  for (const url of ['/auth/logout', '/auth/revoke']) {
    const answer = await browser.post(url)
    t.match(answer.json(), problem(503, 'ERR_STORE'))
    t.match(answer.headers, { 'retry-after': '1', 'cache-control': 'no-store' })
    t.strictSame(setCookies(answer), [])
  }
  tokenStore.mend()
  t.equal((await browser.get('/auth/me')).statusCode, 200)
  t.equal((await browser.post('/auth/logout')).statusCode, 204)
  t.equal(browser.cookies.size, 0)
})

t.test('a logout while the session could not be loaded is a 503, whatever onStoreError says', async (t) => {
  const { app, store } = await openTokenApp(t, { sessions: { onStoreError: 'anonymous' } })
  const { cookie } = await signIn(app, 'ada')
  store.break('get')
  const answer = await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })
  t.strictSame([answer.statusCode, setCookies(answer)], [503, []])
})

t.test('revoke is a 204 for a token known, superseded, revoked, expired or nonsense, and a 400 for none', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const revoke = async (request: InjectOptions): Promise<LightMyRequestResponse> => await app.inject({ ...request, method: 'POST', url: '/auth/revoke' })
  const known = await signIn(app, 'ada')
  const superseded = await signIn(app, 'ada')
  const expired = await signIn(app, 'bob')
  clock.advance(90)
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: superseded.refresh_token } })
  for (const { refresh_token: token, access_token: access, cookie } of [known, superseded]) {
    for (let again = 0; again < 2; again++) t.strictSame((await revoke({ payload: { refresh_token: token } })).statusCode, 204)
    for (const headers of [bearer(access), { cookie }]) t.equal((await app.inject({ url: '/auth/me', headers })).statusCode, 401, 'cookie and access token have ended, too')
  }
  clock.advance(31 * 24 * 60 * 60)
  for (const token of [expired.refresh_token, 'rt_nonsense', 'nonsense', known.access_token]) t.equal((await revoke({ payload: { refresh_token: token } })).statusCode, 204)
  t.match((await revoke({})).json(), problem(400, 'ERR_TOKEN_MISSING'))
  t.match((await revoke({ payload: {} })).json(), problem(400, 'ERR_TOKEN_MISSING'))
  t.match((await revoke({ payload: { token: 'x' } })).json(), problem(400, 'ERR_VALIDATION', { field: 'token' }))
})

t.test('devices: each is listed, one is signed out, the others stay', async (t) => {
  const { app } = await openTokenApp(t)
  const [here, there, blocked] = [await signIn(app, 'ada'), await signIn(app, 'ada'), await signIn(app, 'ada')]
  const stranger = await signIn(app, 'bob')
  await app.sessions.block(blocked.session.id, 'a test')
  const headers = bearer(here.access_token)
  const list = async (): Promise<{ id: string, current: boolean, blocked: boolean }[]> => (await app.inject({ url: '/auth/sessions', headers })).json()
  t.strictSame(new Map((await list()).map(({ id, current, blocked }) => [id, [current, blocked]])), new Map([
    [here.session.id, [true, false]], [there.session.id, [false, false]], [blocked.session.id, [false, true]]
  ]))
  const end = async (id: string): Promise<LightMyRequestResponse> => await app.inject({ method: 'DELETE', url: `/auth/sessions/${id}`, headers })
  t.equal((await end(there.session.id)).statusCode, 204)
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(there.access_token) })).statusCode, 401)
  t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: there.refresh_token } })).json(), { code: 'ERR_TOKEN_REVOKED' })
  t.equal((await end(blocked.session.id)).statusCode, 204)

  const unknown = await end(UNKNOWN_ID)
  for (const id of [stranger.session.id, there.session.id, 'x', '..%2f..', '%00', stranger.session.id.toUpperCase()]) {
    const answer = await end(id)
    t.strictSame([answer.statusCode, answer.body], [404, unknown.body], id)
  }
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(stranger.access_token) })).statusCode, 200)
  t.strictSame((await list()).map(({ id }) => id), [here.session.id])
  const own = await app.inject({ method: 'DELETE', url: `/auth/sessions/${here.session.id}`, headers: { cookie: here.cookie } })
  t.strictSame([own.statusCode, setCookies(own).map(({ name, value }) => [name, value])], [204, [[NAME, '']]])
})

t.test('logout-others spares the session that asks, logout-all spares none', async (t) => {
  const { app } = await openTokenApp(t)
  const [here, there, away] = [await signIn(app, 'ada'), await signIn(app, 'ada'), await signIn(app, 'ada')]
  const others = await app.inject({ method: 'POST', url: '/auth/logout-others', headers: bearer(here.access_token) })
  t.strictSame([others.statusCode, others.json()], [200, { ended: 2 }])
  for (const { access_token: token } of [there, away]) t.equal((await app.inject({ url: '/auth/me', headers: bearer(token) })).statusCode, 401)
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(here.access_token) })).statusCode, 200)
  await signIn(app, 'ada')
  const all = await app.inject({ method: 'POST', url: '/auth/logout-all', headers: { cookie: here.cookie } })
  t.strictSame([all.statusCode, all.json(), setCookies(all).map(({ name, value }) => [name, value])], [200, { ended: 2 }, [[NAME, '']]])
  for (const headers of [bearer(here.access_token), { cookie: here.cookie }]) t.equal((await app.inject({ url: '/auth/me', headers })).statusCode, 401)
  for (const url of ['/auth/logout-others', '/auth/logout-all']) t.equal((await app.inject({ method: 'POST', url })).statusCode, 401)
})

t.test('routes that take no members refuse a body that has some, and end nothing', async (t) => {
  const { app } = await openTokenApp(t)
  const { cookie, session } = await signIn(app, 'ada')
  const send = async (method: 'POST' | 'DELETE', url: string, payload: string): Promise<LightMyRequestResponse> =>
    await app.inject({ method, url, headers: { cookie, 'content-type': 'application/json' }, payload })
  for (const [method, url] of [['POST', '/auth/logout-others'], ['POST', '/auth/logout-all'], ['DELETE', `/auth/sessions/${session.id}`]] as const) {
    t.match((await send(method, url, '{"zzz":1}')).json(), problem(400, 'ERR_VALIDATION', { field: 'zzz' }), url)
    for (const payload of ['[]', '"x"', '1']) t.match((await send(method, url, payload)).json(), problem(400, 'ERR_VALIDATION', { field: 'body' }), `${url} ${payload}`)
  }
  t.equal((await app.sessions.list('ada')).length, 1)
  for (const payload of ['', 'null', '{}']) t.equal((await send('POST', '/auth/logout-others', payload)).statusCode, 200, payload)
})

t.test('a refusal that a callback decides is no error in the log, whatever its status', async (t) => {
  const log = new LogLines()
  const { app } = await openTokenApp(t, {
    server: { logger: { level: 'info', stream: log } },
    auth: { authenticate: async () => { throw new RequestError(503, 'ERR_BUSY', 'later', undefined, { 'retry-after': '2' }) } }
  })
  t.match((await app.inject(login())).json(), problem(503, 'ERR_BUSY'))
  t.match(log.withMessage(/was refused/), [{ level: 30, code: 'ERR_BUSY' }])
  t.notOk(log.lines.some((line) => line.includes('"stack"')))
})

t.test('S06: a changed password changes the secret of the session that asks, and dates it', async (t) => {
  const { app, clock } = await openTokenApp(t, {
    auth: { changePassword: async (_id, { current }) => current === PASSWORD },
    routes: (app) => app.get('/recent', { preHandler: app.requireRecentAuth(60) }, async () => 'recent')
  })
  const browser = new Browser(app)
  const { access_token: token, session } = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
  const old = browser.copy()
  clock.advance(100)
  t.equal((await browser.post('/auth/password', { payload: { current: 'wrong', next: 'another' } })).statusCode, 401)
  t.equal((await old.get('/auth/me')).statusCode, 200, 'a wrong password changes nothing')
  t.equal((await browser.post('/auth/password', { payload: { current: PASSWORD, next: 'another' } })).statusCode, 204)
  t.equal((await browser.get('/recent')).statusCode, 200)
  t.equal((await old.get('/auth/me')).statusCode, 401, 'the cookie from before is dead')
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(token) })).json<SignInAnswer>().session.id, session.id, 'the tokens go on working')
  t.equal((await app.inject({ method: 'POST', url: '/auth/password', headers: bearer(token), payload: { current: PASSWORD, next: 'another' } })).statusCode, 204)
  t.equal((await browser.get('/auth/me')).statusCode, 401, 'asked with a token alone, nobody is given the new secret')
})

t.test('a changed password ends all other sessions', async (t) => {
  const { app } = await openTokenApp(t, { auth: { changePassword: async (_id, { current }) => current === PASSWORD } })
  const [here, there] = [await signIn(app, 'ada'), await signIn(app, 'ada')]
  const change = async (current: string, headers: InjectOptions['headers']): Promise<LightMyRequestResponse> =>
    await app.inject({ method: 'POST', url: '/auth/password', headers: { ...headers }, payload: { current, next: 'another horse battery' } })
  t.match((await change('wrong', bearer(here.access_token))).json(), problem(401, 'ERR_CREDENTIALS'))
  t.match((await change(PASSWORD, {})).json(), problem(401, 'ERR_UNAUTHENTICATED'))
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(there.access_token) })).statusCode, 200)
  t.equal((await change(PASSWORD, bearer(here.access_token))).statusCode, 204)
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(there.access_token) })).statusCode, 401)
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(here.access_token) })).statusCode, 200)
})

t.test('when something fails after a password was changed, the refusal says that it is changed, and the log says why', async (t) => {
  const log = new LogLines()
  let password = PASSWORD
  const { app, store } = await openTokenApp(t, {
    server: { logger: { level: 'info', stream: log } },
    auth: { changePassword: async (_id, { current, next }) => current === password && (password = next) !== '' }
  })
  const change = async (browser: Browser): Promise<LightMyRequestResponse> => await browser.post('/auth/password', { payload: { current: password, next: `${password} and more` } })
  for (const method of ['save', 'deleteByUser'] as const) {
    const [browser, before] = [new Browser(app), password]
    await browser.send('POST', '/auth/login', login())
    log.lines.length = 0
    store.break(method)
    const answer = await change(browser)
    t.match(answer.json(), { ...problem(503, 'ERR_PASSWORD_CHANGED'), detail: /was changed.* sign in again, with the new password/ }, method)
    t.equal(answer.headers['retry-after'], undefined, 'the same again would be a wrong guess')
    t.strictSame(setCookies(answer), [])
    t.not(password, before)
    const errors = log.withMessage(/./).filter(({ level }) => Number(level) >= 50)
    t.equal(errors.length, 1)
    t.match(errors[0], { err: { stack: /disk is on fire/ } })
    store.mend()
  }
  const browser = new Browser(app)
  const { session } = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
  store.before = async (method) => { if (method === 'save') await store.delete(session.id) }
  t.match((await change(browser)).json(), problem(409, 'ERR_PASSWORD_CHANGED'), 'or when the session ended meanwhile')
})

t.test('reauthenticate renews when the user proved who they are, and the cookie', async (t) => {
  const { app, clock } = await openTokenApp(t, {
    auth: { checkPassword: async (_id, password) => password === PASSWORD },
    routes: (app) => app.get('/recent', { preHandler: app.requireRecentAuth(60) }, async () => 'recent')
  })
  const browser = new Browser(app)
  const { access_token: token, refresh_token: refresh } = (await browser.send('POST', '/auth/login', login())).json<SignInAnswer>()
  const old = browser.copy()
  clock.advance(100)
  t.equal((await browser.get('/recent')).statusCode, 401)
  t.match((await browser.post('/auth/reauthenticate', { payload: { password: 'wrong' } })).json(), problem(401, 'ERR_CREDENTIALS'))
  t.equal((await browser.get('/recent')).statusCode, 401)
  t.equal((await browser.post('/auth/reauthenticate', { payload: { password: PASSWORD } })).statusCode, 204)
  t.equal((await browser.get('/recent')).statusCode, 200)
  t.equal((await old.get('/auth/me')).statusCode, 401, 'the cookie from before is dead')
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(token) })).statusCode, 200, 'the tokens go on working')

  clock.advance(100)
  t.equal((await app.inject({ method: 'POST', url: '/auth/reauthenticate', headers: bearer(token), payload: { password: PASSWORD } })).statusCode, 204)
  t.equal((await app.inject({ url: '/recent', headers: bearer(token) })).statusCode, 401, 'a token says it as of its issue')
  const next = (await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: refresh } })).json<{ access_token: string }>()
  t.equal((await app.inject({ url: '/recent', headers: bearer(next.access_token) })).statusCode, 200)
  t.equal((await browser.get('/auth/me')).statusCode, 401, 'a cookie that somebody else may hold gains nothing')
})

t.test('what goes out as user is what findUser says, and a user who is gone is nobody', async (t) => {
  const users = new Map([['ada', { id: 'ada', email: 'ada@example.com' }]])
  const { app } = await openTokenApp(t, { auth: { findUser: async (id) => users.get(id) ?? null } })
  const { user, access_token: token } = await signIn(app, 'ada')
  t.strictSame(user, { id: 'ada', email: 'ada@example.com' })
  t.strictSame((await app.inject({ url: '/auth/me', headers: bearer(token) })).json<{ user: object }>().user, { id: 'ada', email: 'ada@example.com' })
  t.match((await app.inject(login('bob@example.com'))).json(), problem(401, 'ERR_CREDENTIALS'))
  t.strictSame(await app.sessions.list('bob'), [])
  users.clear()
  t.equal((await app.inject({ url: '/auth/me', headers: bearer(token) })).statusCode, 401)
})

t.test('a session that is ended twice at once is told to onEnded once', async (t) => {
  const told: unknown[] = []
  const { app, store } = await openTokenApp(t, { auth: { onEnded: (ended) => { told.push(ended) } } })
  const [browser, other] = [new Browser(app), new Browser(app)]
  await browser.send('POST', '/auth/login', login('ada@example.com', { transport: 'none' }))
  const { session } = (await other.send('POST', '/auth/login', login('ada@example.com', { transport: 'none' }))).json()
  const both = gate()
  let waiting = 0
  store.before = async (method) => {
    if (method !== 'delete') return
    if (++waiting === 2) both.open()
    await both.opened
  }
  const answers = await Promise.all([1, 2].map(async () => await browser.send('DELETE', `/auth/sessions/${session.id}`)))
  t.strictSame(answers.map(({ statusCode }) => statusCode), [204, 204])
  t.match(told, [{ userId: 'ada', sessionId: session.id }])
  t.equal(told.length, 1)
})

t.test('beforeEndAll is asked before anything has ended, and its refusal leaves the sessions as they are', async (t) => {
  const asked: (readonly [string, number])[] = []
  let refuses = true
  const { app, store } = await openTokenApp(t, {
    auth: {
      async beforeEndAll (userId) {
        asked.push([userId, (await store.listByUser(userId)).length])
        if (refuses) throw new RequestError(503, 'ERR_BUSY', 'later')
      }
    }
  })
  const { cookie } = await signIn(app, 'ada')
  const logoutAll = async (): Promise<number> => (await app.inject({ method: 'POST', url: '/auth/logout-all', headers: { cookie } })).statusCode
  t.equal(await logoutAll(), 503)
  t.equal((await app.inject({ url: '/auth/me', headers: { cookie } })).statusCode, 200)
  refuses = false
  t.equal(await logoutAll(), 200)
  t.strictSame(asked, [['ada', 1], ['ada', 1]])
})

t.test('beforeRefresh sees which session asks, and its refusal leaves the token as it is', async (t) => {
  const asked: (string | null)[] = []
  let isFull = false
  const { app, clock, tokenStore } = await openTokenApp(t, {
    auth: {
      beforeRefresh (sessionId) {
        asked.push(sessionId)
        if (isFull) throw new RequestError(429, 'ERR_LIMIT', 'too many requests', undefined, { 'retry-after': '7' })
      }
    }
  })
  const { refresh_token: token, session } = await signIn(app, 'ada')
  clock.advance(90)
  isFull = true
  tokenStore.takeCalls()
  const refused = await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token } })
  t.match([refused.json(), refused.headers], [problem(429, 'ERR_LIMIT'), { 'retry-after': '7' }])
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: 'rt_forged' } })
  t.strictSame([asked, tokenStore.takeCalls()], [[session.id, null], []])
  isFull = false
  t.match((await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token } })).json(), { refresh_token: String })
})

t.test('verify tells a proxy who asks, in headers alone, and sends no cookie', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const { access_token: token, session, cookie } = await signIn(app, 'root')
  clock.advance(20_000) // the cookie would be due
  const fresh = await signIn(app, 'root')
  for (const [headers, id] of [[bearer(fresh.access_token), fresh.session.id], [{ cookie }, session.id], [{ cookie: `__Host-at=${fresh.access_token}` }, fresh.session.id]] as const) {
    const answer = await app.inject({ url: '/auth/verify', headers: { ...headers, 'x-user-id': 'forged' } })
    t.strictSame([answer.statusCode, answer.body], [204, ''])
    t.match(answer.headers, { 'x-user-id': 'root', 'x-is-admin': 'true', 'x-session-id': id, 'cache-control': 'no-store' })
    t.strictSame(setCookies(answer), [])
  }
  t.equal((await app.sessions.list('root')).find(({ id }) => id === session.id)?.lastSeenAt.getTime(), clock.now().getTime(), 'the row slides')
  const slidAt = clock.now().getTime()
  clock.advance(1)
  await app.inject({ url: '/auth/verify', headers: { cookie } })
  t.equal((await app.sessions.list('root')).find(({ id }) => id === session.id)?.lastSeenAt.getTime(), slidAt, 'and not again a second later, though the cookie stays old')
  for (const headers of [{}, bearer(token), bearer('x'), { cookie: `${NAME}=x` }]) {
    const answer = await app.inject({ url: '/auth/verify', headers })
    t.equal(answer.statusCode, 401)
    t.match(answer.headers['www-authenticate'], /^Bearer/)
    t.notOk('x-user-id' in answer.headers)
  }
})

t.test('verify escapes what a header cannot hold', async (t) => {
  const { app } = await openTokenApp(t, { auth: { authenticate: async ({ email }) => ({ id: email }) } })
  for (const [id, header] of [['ünï 漢', '%C3%BCn%C3%AF%20%E6%BC%A2'], ['a%b', 'a%25b'], ['a:b@c/d', 'a:b@c/d']] as const) {
    const { access_token: token } = (await app.inject(login(id))).json<SignInAnswer>()
    t.equal((await app.inject({ url: '/auth/verify', headers: bearer(token) })).headers['x-user-id'], header)
  }
})

t.test('attack: a proxy that forwards no address, or is not trusted, does not take the cross-site rule away from verify', async (t) => {
  for (const server of [{}, { trustProxy: '127.0.0.1' }]) {
    const { app } = await openTokenApp(t, { server })
    const { cookie } = await signIn(app, 'ada')
    for (const name of ['x-original-method', 'x-forwarded-method']) {
      for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
        t.match((await app.inject({ url: '/auth/verify', headers: { ...headers, cookie, [name]: 'POST' } })).json(), problem(403, 'ERR_CROSS_SITE'), name)
        t.equal((await app.inject({ url: '/auth/verify', headers: { ...headers, cookie, [name]: 'GET' } })).statusCode, 204, name)
      }
      t.equal((await app.inject({ url: '/auth/verify', headers: { 'sec-fetch-site': 'same-origin', cookie, [name]: 'POST' } })).statusCode, 204, name)
    }
  }
})

t.test('verify applies the cross-site rule to the request that a proxy asks about', async (t) => {
  const { app } = await openTokenApp(t, { server: { trustProxy: '127.0.0.1' }, sessions: { csrf: { trustedOrigins: ['https://trusted.example'] } } })
  const { access_token: token, cookie } = await signIn(app, 'ada')
  const proxied = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'https' }
  const evil = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  const status = async (headers: Record<string, string>, remoteAddress = '127.0.0.1'): Promise<number> => (await app.inject({ url: '/auth/verify', headers, remoteAddress })).statusCode
  for (const credential of [{ cookie }, { cookie: `__Host-at=${token}` }]) {
    for (const name of ['x-original-method', 'x-forwarded-method']) {
      t.equal(await status({ ...proxied, ...evil, ...credential, [name]: 'POST' }), 403, name)
      t.equal(await status({ ...proxied, ...evil, ...credential, [name]: 'DELETE' }), 403, name)
      t.equal(await status({ ...proxied, ...evil, ...credential, [name]: 'GET' }), 204, name)
      t.equal(await status({ ...proxied, ...credential, 'sec-fetch-site': 'same-origin', [name]: 'POST' }), 204, name)
      t.equal(await status({ ...proxied, ...credential, origin: 'https://app.example.com', [name]: 'POST' }), 204, name)
      t.equal(await status({ ...proxied, ...credential, origin: 'https://trusted.example', [name]: 'POST' }), 204, name)
      t.equal(await status({ ...proxied, ...credential, origin: 'https://app.example.com', [name]: 'POST' }, '198.51.100.7'), 403, 'a stranger does not say what the own origin is')
    }
    t.equal(await status({ ...proxied, ...evil, ...credential, 'x-original-method': 'GET', 'x-forwarded-method': 'POST' }), 403)
  }
  t.equal(await status({ ...proxied, ...evil, ...bearer(token), 'x-original-method': 'POST' }), 204, 'no browser adds a Bearer by itself')
  t.equal(await status({ ...proxied, ...evil, ...bearer(token), cookie, 'x-original-method': 'POST' }), 403, 'but it adds cookies')
})

t.test('the log, at its most talkative, holds no token, cookie or password', async (t) => {
  const log = new LogLines()
  const { app, clock } = await openTokenApp(t, { server: { logger: { level: 'trace', stream: log } }, auth: { checkPassword: async () => true } })
  const secrets = [PASSWORD]
  const send = async (request: InjectOptions): Promise<LightMyRequestResponse> => {
    const answer = await app.inject(request)
    const { access_token: access, refresh_token: refresh } = answer.statusCode === 200 ? answer.json<{ access_token?: string, refresh_token?: string }>() : {}
    secrets.push(...[access, refresh, answer.headers['x-refresh-token'], ...setCookies(answer).map(({ value }) => value)].filter((text): text is string => typeof text === 'string' && text !== ''))
    return answer
  }
  const { access_token: access, refresh_token: first } = (await send(login())).json<SignInAnswer>()
  for (const transport of ['cookie', 'hybrid', 'none']) await send(login('ada@example.com', { transport }))
  for (let i = 0; i < 2; i++) {
    clock.advance(90)
    await send({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: secrets.filter((text) => text.startsWith('rt_')).at(-1) } })
  }
  clock.advance(90)
  for (const token of [first, access, 'rt_nonsense']) await send({ method: 'POST', url: '/auth/refresh', headers: { 'x-refresh-token': token } })
  await send({ method: 'POST', url: '/auth/reauthenticate', headers: bearer(access), payload: { password: PASSWORD } })
  await send({ method: 'POST', url: '/auth/login', headers: { 'content-type': 'application/json' }, payload: `{"password":"${PASSWORD}",}` })
  await send({ method: 'POST', url: '/auth/logout', headers: bearer(access) })
  t.ok(secrets.length > 10)
  for (const secret of new Set(secrets)) t.notOk(log.lines.some((line) => line.includes(secret)), secret.slice(0, 8))
})

t.test('no store, no secret, no stack in any answer', async (t) => {
  const { app, store, tokenStore } = await openTokenApp(t, { auth: { findUser: async () => { throw new Error('secret detail') } } })
  const answer = await app.inject(login())
  t.strictSame([answer.statusCode, answer.json()], [500, { type: 'about:blank', title: 'Internal Server Error', status: 500, code: 'ERR_INTERNAL' }])
  t.match(answer.headers, { 'cache-control': 'no-store', 'content-type': /^application\/problem\+json/ })
  store.break()
  tokenStore.break()
  for (const url of ['/auth/me', '/auth/sessions', '/auth/verify']) {
    const { body } = await app.inject({ url, headers: { cookie: `${NAME}=${signed({ id: UNKNOWN_ID, secret: Buffer.alloc(32, 1), issuedAt: 0 })}` } })
    t.match(JSON.parse(body), problem(503, 'ERR_STORE'))
    t.notMatch(body, /fire|at .*\.ts/)
  }
})
