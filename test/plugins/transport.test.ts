import t, { type Test } from 'tap'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { Browser, NAME, setCookies } from '../helpers/session-app.js'
import { bearer, openTokenApp, PASSWORD, signIn } from '../helpers/token-app.js'
import type { SignInAnswer } from '../helpers/token-app.js'

const AT = '__Host-at'
const RT = '__Host-rt'
const MONTH = 30 * 24 * 60 * 60

const login = async (app: FastifyInstance | Browser, transport?: string, extra: object = {}): Promise<LightMyRequestResponse> => {
  const request: InjectOptions = { payload: { email: 'ada@example.com', password: PASSWORD, ...(transport !== undefined && { transport }), ...extra } }
  return app instanceof Browser ? await app.post('/auth/login', request) : await app.inject({ ...request, method: 'POST', url: '/auth/login' })
}

/** Asserts that an answer sets no cookie, or sets one, but deletes none. */
const deletesNothing = (t: Test, answer: LightMyRequestResponse, what = ''): void => {
  for (const { name, value, attributes } of setCookies(answer)) {
    t.not(value, '', `${what}: ${name}`)
    t.not(attributes['Max-Age'], '0', `${what}: ${name}`)
  }
}

t.test('transport says how credentials of a sign-in go out', async (t) => {
  const { app } = await openTokenApp(t)
  const table = [
    { transport: undefined, json: ['access_token', 'expires_in', 'refresh_token', 'session', 'token_type', 'user'], cookies: [NAME], header: false },
    { transport: 'body', json: ['access_token', 'expires_in', 'refresh_token', 'session', 'token_type', 'user'], cookies: [NAME], header: false },
    { transport: 'cookie', json: ['expires_in', 'session', 'user'], cookies: [AT, RT, NAME], header: false },
    { transport: 'hybrid', json: ['expires_in', 'session', 'user'], cookies: [AT, NAME], header: true },
    { transport: 'none', json: ['session', 'user'], cookies: [NAME], header: false }
  ]
  for (const { transport, json, cookies, header } of table) {
    const answer = await login(app, transport)
    t.equal(answer.statusCode, 200)
    t.strictSame(Object.keys(answer.json()).sort(), json, `${transport}`)
    t.strictSame(setCookies(answer).map(({ name }) => name).sort(), cookies.sort(), `${transport}`)
    t.equal(answer.headers['x-refresh-token'] !== undefined, header, `${transport}`)
    t.equal(answer.headers['cache-control'], 'no-store')
  }
})

t.test('cookies of tokens are HttpOnly, Secure, of the host alone, and live as long as what they carry', async (t) => {
  const { app } = await openTokenApp(t)
  const answer = await login(app, 'cookie')
  const { expires_in: expiresIn } = answer.json<{ expires_in: number }>()
  t.ok(expiresIn <= 900 && expiresIn >= 850)
  t.strictSame(setCookies(answer, AT)[0]?.attributes, { 'Max-Age': String(expiresIn), Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
  t.strictSame(setCookies(answer, RT)[0]?.attributes, { 'Max-Age': String(MONTH), Path: '/', HttpOnly: true, Secure: true, SameSite: 'Strict' })
})

t.test('the refresh cookie ends with the session, when that is nearer than its idle life', async (t) => {
  const { app, clock } = await openTokenApp(t, { tokens: { refreshTtl: 1000, refreshAbsoluteTtl: 1500 } })
  const browser = new Browser(app)
  await login(browser, 'cookie')
  clock.advance(900)
  const answer = await browser.post('/auth/refresh')
  t.equal(setCookies(answer, RT)[0]?.attributes['Max-Age'], '600')
})

t.test('the answer goes out as the refresh token came in', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const table: { title: string, request: (token: string) => InjectOptions, json: string[], cookies: string[] }[] = [
    { title: 'body', request: (token) => ({ payload: { refresh_token: token } }), json: ['access_token', 'expires_in', 'refresh_token', 'token_type'], cookies: [] },
    { title: 'Bearer', request: (token) => ({ headers: bearer(token) }), json: ['access_token', 'expires_in', 'refresh_token', 'token_type'], cookies: [] },
    { title: 'header', request: (token) => ({ headers: { 'x-refresh-token': token } }), json: ['expires_in'], cookies: [AT] },
    { title: 'cookie', request: (token) => ({ headers: { cookie: `${RT}=${token}` } }), json: ['expires_in'], cookies: [AT, RT] }
  ]
  for (const { title, request, json, cookies } of table) {
    const { refresh_token: token } = await signIn(app, 'ada')
    clock.advance(90)
    const answer = await app.inject({ ...request(token), method: 'POST', url: '/auth/refresh' })
    t.equal(answer.statusCode, 200, title)
    t.strictSame(Object.keys(answer.json()).sort(), json, title)
    t.strictSame(setCookies(answer).map(({ name }) => name).sort(), cookies, title)
    t.equal(answer.headers['x-refresh-token'] !== undefined, title === 'header', title)
    t.equal(answer.headers['cache-control'], 'no-store')
  }
})

t.test('an answer without a new refresh token says when there will be one, and still brings the access cookie', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const { refresh_token: token } = await signIn(app, 'ada')
  clock.advance(30.5)
  const early = await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token } })
  t.match(early.json(), { access_token: String, expires_in: Number, rotates_in: 60 })
  t.notOk('refresh_token' in early.json())
  const byCookie = await app.inject({ method: 'POST', url: '/auth/refresh', headers: { cookie: `${RT}=${token}` } })
  t.match(byCookie.json(), { expires_in: Number, rotates_in: 60 })
  t.strictSame(setCookies(byCookie).map(({ name }) => name), [AT], 'EARLY never echoes the refresh token')
  const byHeader = await app.inject({ method: 'POST', url: '/auth/refresh', headers: { 'x-refresh-token': token } })
  t.strictSame(setCookies(byHeader).map(({ name }) => name), [AT])
  t.equal(byHeader.headers['x-refresh-token'], undefined)
})

t.test('a straggler is told that its token has a successor', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const { refresh_token: first } = await signIn(app, 'ada')
  clock.advance(90)
  const { refresh_token: second } = (await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: first } })).json<{ refresh_token: string }>()
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: second } })
  const answer = await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: first } })
  t.match(answer.json(), { access_token: String, superseded: true, rotates_in: Number })
  t.notOk('refresh_token' in answer.json())
})

t.test('sources of a refresh token: their precedence, and two that differ', async (t) => {
  const { app } = await openTokenApp(t)
  const [a, b, c] = [await signIn(app, 'ada'), await signIn(app, 'ada'), await signIn(app, 'ada')]
  const refresh = async (request: InjectOptions): Promise<LightMyRequestResponse> => await app.inject({ ...request, method: 'POST', url: '/auth/refresh' })
  const conflicts: InjectOptions[] = [
    { payload: { refresh_token: a.refresh_token }, headers: { 'x-refresh-token': b.refresh_token } },
    { payload: { refresh_token: a.refresh_token }, headers: bearer(b.refresh_token) },
    { headers: { 'x-refresh-token': a.refresh_token, ...bearer(b.refresh_token) } },
    { headers: { cookie: `${RT}=${a.refresh_token}; ${RT}=${b.refresh_token}` } },
    { headers: { 'x-refresh-token': `${a.refresh_token}, ${b.refresh_token}` } },
    { headers: { 'x-refresh-token': [a.refresh_token, 'junk'] } }
  ]
  for (const request of conflicts) t.match((await refresh(request)).json(), { status: 400, code: 'ERR_TOKEN_CONFLICT', error: 'invalid_request' })

  const json = await refresh({ payload: { refresh_token: a.refresh_token }, headers: { 'x-refresh-token': a.refresh_token, cookie: `${RT}=${b.refresh_token}` } })
  t.ok('access_token' in json.json(), 'body before header before cookie')
  t.equal((await refresh({ headers: { 'x-refresh-token': [a.refresh_token, a.refresh_token] } })).statusCode, 200, 'the same one twice is one')
  const hybrid = await refresh({ headers: { 'x-refresh-token': a.refresh_token, cookie: `${RT}=${b.refresh_token}`, ...bearer(c.access_token) } })
  t.strictSame([hybrid.statusCode, Object.keys(hybrid.json()).sort()], [200, ['expires_in', 'rotates_in']], 'another Bearer is no source beside one')
  const cookie = await refresh({ headers: { cookie: `${RT}=${b.refresh_token}`, ...bearer('expired.access.token') } })
  t.strictSame([cookie.statusCode, setCookies(cookie).map(({ name }) => name)], [200, [AT]])
  for (const request of [{}, { payload: {} }, { payload: { refresh_token: '' } }, { headers: { 'x-refresh-token': '', cookie: `${RT}=` } }]) {
    t.match((await refresh(request)).json(), { status: 400, code: 'ERR_TOKEN_MISSING', error: 'invalid_request' })
  }
})

t.test('a refresh in the last second of a session deletes no cookie', async (t) => {
  const { app, clock } = await openTokenApp(t, { tokens: { refreshTtl: 1000, refreshAbsoluteTtl: 1000 } })
  const browser = new Browser(app)
  await login(browser, 'cookie')
  clock.advance(999.5)
  const answer = await browser.post('/auth/refresh')
  t.equal(answer.statusCode, 200)
  deletesNothing(t, answer)
  t.strictSame(setCookies(answer).map(({ attributes }) => attributes['Max-Age']), ['1', '1'])
})

t.test('a logout ends every session that the request proves, whatever else it carries, and is never refused', async (t) => {
  const { app } = await openTokenApp(t)
  const live = async (token: string): Promise<boolean> => (await app.inject({ url: '/auth/me', headers: bearer(token) })).statusCode === 200
  const ways: ((a: SignInAnswer, b: SignInAnswer) => InjectOptions)[] = [
    (a, b) => ({ headers: { cookie: `${RT}=${a.refresh_token}; ${RT}=${b.refresh_token}` } }),
    (a, b) => ({ headers: { cookie: `${RT}=${a.refresh_token}; ${RT}=junk; ${AT}=${b.access_token}; ${AT}=x` } }),
    (a, b) => ({ headers: { cookie: `${AT}=${a.access_token}; ${AT}=${b.access_token}` } }),
    (a, b) => ({ headers: { 'x-refresh-token': [a.refresh_token, b.refresh_token] } }),
    (a, b) => ({ headers: { authorization: 'Bearer', cookie: `${RT}=${b.refresh_token}` }, payload: { refresh_token: a.refresh_token } }),
    (a, b) => ({ headers: { 'x-refresh-token': 'junk', cookie: `${RT}=${a.refresh_token}`, ...bearer(b.refresh_token) } })
  ]
  for (const [n, request] of ways.entries()) {
    const [a, b] = [await signIn(app, 'ada'), await signIn(app, 'ada')]
    const answer = await app.inject({ ...request(a, b), method: 'POST', url: '/auth/logout' })
    t.equal(answer.statusCode, 204, `${n}: ${answer.body}`)
    t.strictSame([await live(a.access_token), await live(b.access_token)], [false, false], `${n}`)
  }
  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: { authorization: 'Bearer' } })).statusCode, 204)
})

t.test('a browser stays signed in by cookies alone, through many rotations', async (t) => {
  const { app, clock } = await openTokenApp(t)
  const browser = new Browser(app)
  await login(browser, 'cookie')
  browser.cookies.delete(NAME) // what is left are the tokens
  for (let i = 0; i < 20; i++) {
    clock.advance(800)
    const before = browser.cookies.get(RT)
    const answer = await browser.post('/auth/refresh', { headers: { 'sec-fetch-site': 'same-origin' } })
    t.equal(answer.statusCode, 200)
    t.not(browser.cookies.get(RT), before)
    t.equal((await browser.get('/auth/me')).json<{ user: { id: string } }>().user.id, 'ada')
  }
})

t.test('a hybrid client stays signed in by the access cookie and the header', async (t) => {
  const { app, clock, tokenStore } = await openTokenApp(t)
  const browser = new Browser(app)
  let token = String((await login(browser, 'hybrid')).headers['x-refresh-token'])
  browser.cookies.delete(NAME)
  tokenStore.takeCalls()
  for (let i = 0; i < 5; i++) {
    t.equal((await browser.get('/auth/me')).statusCode, 200)
    clock.advance(800)
    const answer = await browser.post('/auth/refresh', { headers: { 'x-refresh-token': token } })
    t.equal(answer.statusCode, 200)
    token = String(answer.headers['x-refresh-token'])
  }
  t.notOk(tokenStore.takeCalls().includes('confirmRefreshToken'), 'the access cookie of hybrid is no evidence')
})

t.test('a page of another site cannot refresh by the cookie, and the token is not consumed', async (t) => {
  const { app, clock, takeCalls } = await openTokenApp(t)
  const browser = new Browser(app)
  await login(browser, 'cookie')
  clock.advance(90)
  takeCalls()
  browser.cookies.delete(NAME)
  const answer = await browser.post('/auth/refresh', { headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } })
  t.match(answer.json(), { status: 403, code: 'ERR_CROSS_SITE' })
  t.strictSame([takeCalls(), setCookies(answer)], [[], []])
  t.equal(setCookies(await browser.post('/auth/refresh'), RT).length, 1, 'it rotates as before')
})

t.test('no answer of refresh deletes a cookie', async (t) => {
  const { app, clock, tokenStore } = await openTokenApp(t)
  const victim = new Browser(app)
  await login(victim, 'cookie')
  const other = await signIn(app, 'bob')
  const refused = async (browser: Browser, code: string, options: InjectOptions = {}): Promise<void> => {
    const answer = await browser.post('/auth/refresh', options)
    t.equal(answer.json<{ code: string }>().code, code)
    deletesNothing(t, answer, code)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.match(answer.headers['content-type'], /^application\/problem\+json/)
  }
  await refused(new Browser(app, [[RT, 'rt_nonsense'], [NAME, 'forged']]), 'ERR_TOKEN_INVALID')
  await refused(new Browser(app, [[NAME, 'forged']]), 'ERR_TOKEN_MISSING')
  await refused(new Browser(app, [...victim.cookies, [RT, other.refresh_token]]), 'ERR_TOKEN_WRONG_USER')

  tokenStore.break()
  await refused(victim.copy(), 'ERR_STORE')
  tokenStore.mend()

  const thief = victim.copy()
  for (let i = 0; i < 2; i++) {
    clock.advance(90)
    await victim.post('/auth/refresh')
  }
  await refused(thief.copy(), 'ERR_TOKEN_REUSED')
  await refused(victim.copy(), 'ERR_SESSION_BLOCKED')
  const [session] = await app.sessions.list('ada')
  await app.sessions.end(session?.id ?? '')
  await refused(victim.copy(), 'ERR_TOKEN_REVOKED')

  const idle = new Browser(app)
  await login(idle, 'cookie')
  clock.advance(MONTH)
  await refused(idle, 'ERR_TOKEN_EXPIRED')
})

t.test('a sign-in clears the tokens of another one, unless it replaces them', async (t) => {
  const { app } = await openTokenApp(t)
  for (const [transport, cleared] of [['none', [AT, RT]], ['body', [AT, RT]], ['hybrid', [RT]], ['cookie', []]] as const) {
    const browser = new Browser(app)
    await login(browser, 'cookie')
    const answer = await login(browser, `${transport}`)
    t.strictSame(setCookies(answer).filter(({ value }) => value === '').map(({ name }) => name).sort(), cleared, `${transport}`)
    t.equal((await browser.get('/auth/me')).statusCode, 200, `${transport}`)
  }
})

t.test('remember goes with the transport none: a month, the browser\'s session, or the manager\'s life', async (t) => {
  const { app } = await openTokenApp(t)
  const life = async (extra: object): Promise<unknown> => setCookies(await login(app, 'none', extra), NAME)[0]?.attributes['Max-Age']
  t.equal(await life({ remember: true }), String(MONTH))
  t.equal(await life({ remember: false }), undefined)
  t.equal(await life({}), String(24 * 60 * 60))
  for (const transport of [undefined, 'body', 'cookie', 'hybrid']) {
    t.match((await login(app, transport, { remember: true })).json(), { status: 400, code: 'ERR_VALIDATION', field: 'remember' })
  }
})
