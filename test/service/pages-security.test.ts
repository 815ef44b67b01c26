import t from 'tap'
import { StoreError } from '../../src/core/errors.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { beginSession, openService, openServiceOnPostgres } from '../helpers/service-app.js'
import type { ServiceOnPostgres } from '../helpers/service-app.js'
import { BROWSER_ACCEPT, EMAIL, hiddenIn, PASSWORD, textOf, Visitor } from './visitor.js'

const HTML = { accept: BROWSER_ACCEPT }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

let shared: Promise<ServiceOnPostgres> | undefined

/** One service for all tests: emptied before each. */
async function open () {
  const { app, pool } = await (shared ??= openServiceOnPostgres(t, { env: { ADMIN_EMAILS: 'root@example.com' } }))
  await pool.query('WITH s AS (DELETE FROM sessions) DELETE FROM users')
  return { app, pool, visitor: () => new Visitor(app), rows: async () => (await pool.query('SELECT 1 FROM sessions WHERE expires_at > now()')).rowCount }
}

void t.test('X06, attack: a page of another site signs nobody in, without a cookie either', async (t) => {
  const { visitor, rows } = await open()
  await visitor().register()
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': '', origin: 'https://evil.example' }, { 'sec-fetch-site': '', origin: 'null' }]) {
    for (const url of ['/login', '/register', '/logout', '/account/sessions', '/account/password']) {
      const eve = visitor()
      const _csrf = await eve.token('/login')
      const answer = await eve.post(url, { _csrf, email: EMAIL, password: PASSWORD }, headers)
      t.match(answer, { statusCode: 403, headers: { vary: /Sec-Fetch-Site/, 'content-type': /^text\/html/ }, body: /This came from another site/ }, `${url} ${JSON.stringify(headers)}`)
    }
  }
  t.equal(await rows(), 1)
})

void t.test('X07, attack: a form without its token, or with that of another session, changes nothing', async (t) => {
  const { app, visitor, rows } = await open()
  const [ada, eve, stranger] = [visitor(), visitor(), visitor()]
  await ada.register()
  await eve.register('eve@example.com')
  const own = await ada.token('/account/sessions')
  const flipped = own.slice(0, -1) + (own.endsWith('A') ? 'B' : 'A')
  for (const _csrf of ['', 'x', flipped, await eve.token('/'), await stranger.token('/login')]) {
    const answer = await ada.post('/logout', { _csrf })
    t.match(answer, { statusCode: 403, headers: { 'content-type': /^text\/html/ }, body: /This form is out of date/ }, _csrf)
    const program = await app.inject({ method: 'POST', url: '/logout', headers: { cookie: ada.browser.header, ...FORM }, payload: new URLSearchParams({ _csrf }).toString() })
    t.match(program.json(), { status: 403, code: 'ERR_CSRF' })
  }
  // with the cookie of the one who made the token, too: it is bound to the session
  const csrf = eve.browser.cookies.get('csrf') ?? ''
  const token = await eve.token('/')
  ada.browser.cookies.set('csrf', csrf)
  t.equal((await ada.post('/logout', { _csrf: token })).statusCode, 403)
  t.equal((await app.inject({ method: 'POST', url: '/logout', headers: { cookie: ada.browser.header, 'csrf-token': own, ...FORM }, payload: '' })).statusCode, 403, 'nor in a header')
  t.equal(await rows(), 2)
})

void t.test('attack: a cookie of the forms that nobody has signed makes no token hold', async (t) => {
  const { visitor } = await open()
  const eve = visitor()
  const _csrf = await eve.token('/login')
  const signed = eve.browser.cookies.get('csrf') ?? ''
  for (const value of ['', decodeURIComponent(signed).split('.')[0] ?? '', `${signed}x`]) {
    eve.browser.cookies.set('csrf', value)
    t.equal((await eve.post('/login', { _csrf, email: EMAIL, password: PASSWORD })).statusCode, 403, value)
  }
})

void t.test('two tabs that a stranger opens at once both lead in: the form of the first is shown again, filled in, and then holds', async (t) => {
  const { visitor, rows } = await open()
  await visitor().register()
  for (const [page, heading] of [['/login', 'Sign in'], ['/register', 'Register']] as const) {
    const [ada, other] = [visitor(), visitor()]
    const _csrf = await ada.token(`${page}?next=/account/sessions`)
    await other.token(page) // the answer to the second tab was made before the first cookie had arrived
    ada.browser.cookies.set('csrf', other.browser.cookies.get('csrf') ?? '')
    const before = await rows()
    const fields = { email: page === '/login' ? EMAIL : 'eve@example.com', password: PASSWORD, repeat: PASSWORD }
    const again = await ada.post(page, { _csrf, ...fields, remember: 'on', next: '/account/sessions' })
    t.match(again, { statusCode: 403, headers: { 'content-type': /^text\/html/ } }, page)
    t.match(textOf(again.body), new RegExp(`${heading} .*This form was out of date.*Send it once more`))
    t.match(again.body, `value="${fields.email}"`)
    t.notMatch(again.body, PASSWORD)
    t.equal(await rows(), before, 'and nothing was done')
    const answer = await ada.post(page, { ...hiddenIn(again.body, page), ...fields })
    t.match(answer, { statusCode: 303, headers: { location: page === '/login' ? '/account/sessions' : '/' } })
    t.equal(await rows(), (before ?? 0) + 1)
  }
})

void t.test('attack, login CSRF: the form that is shown again signs nobody in by itself, and programs are not shown one', async (t) => {
  const { app, visitor, rows } = await open()
  await visitor().register()
  const [ada, eve] = [visitor(), visitor()]
  const _csrf = await eve.token('/login')
  for (const token of ['', 'x', _csrf]) {
    for (const headers of [{}, { 'sec-fetch-site': 'none' }]) {
      t.match(await ada.post('/login', { _csrf: token, email: EMAIL, password: PASSWORD }, headers), { statusCode: 403, body: /This form was out of date/ })
      const program = await app.inject({ method: 'POST', url: '/login', headers: { ...FORM, cookie: ada.browser.header }, payload: new URLSearchParams({ _csrf: token, email: EMAIL, password: PASSWORD }).toString() })
      t.match(program.json(), { status: 403, code: 'ERR_CSRF' })
    }
  }
  t.match(await ada.post('/login', { _csrf, email: EMAIL, password: PASSWORD }, { 'sec-fetch-site': 'cross-site' }), { statusCode: 403, body: /This came from another site/ })
  t.equal(await rows(), 1)
})

void t.test('a token of before a sign-in does not hold after it', async (t) => {
  const { visitor, rows } = await open()
  const ada = visitor()
  const _csrf = await ada.token('/login')
  await ada.register()
  t.equal((await ada.post('/logout', { _csrf })).statusCode, 403)
  t.equal(await rows(), 1)
})

void t.test('X04: forms reach the pages alone, and JSON does not reach them', async (t) => {
  const app = await openService(t)
  for (const [method, url] of [['POST', '/auth/login'], ['POST', '/auth/logout'], ['PATCH', '/session']] as const) {
    t.match(await app.inject({ method, url, headers: FORM, payload: 'email=a' }), { statusCode: 415, headers: { 'content-type': /^application\/problem/ } }, url)
  }
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded2', '\tapplication/json']) {
    t.equal((await app.inject({ method: 'POST', url: '/login', headers: { 'content-type': type }, payload: '{}' })).statusCode, 415, type)
  }
})

void t.test('X05: no page changes anything by GET', async (t) => {
  const app = await openService(t)
  const answer = await app.inject({ url: '/logout', headers: HTML })
  t.match(answer, { statusCode: 405, headers: { allow: 'POST, OPTIONS', 'content-type': /^text\/html/ }, body: /This address does not take that/ })
})

void t.test('V60, attack: another spelling of the path of a page passes no guard', async (t) => {
  const app = await openService(t)
  for (const url of ['//account/sessions', '/account/sessions/', '/account//sessions', '/%61ccount/sessions', '/account/sessions;x', '/account/sessions%00', '/ACCOUNT/sessions', '/./account/sessions', '/account%2fsessions']) {
    const { statusCode } = await app.inject({ url, headers: HTML })
    t.ok([303, 400, 404].includes(statusCode), `${url}: ${statusCode}`)
  }
})

void t.test('what is refused is a page for browsers and a problem document for programs', async (t) => {
  const app = await openService(t)
  for (const [method, url, status, code] of [['GET', '/nothing', 404, 'ERR_NOT_FOUND'], ['POST', '/', 405, 'ERR_METHOD'], ['POST', '/%zz', 400, 'ERR_VALIDATION']] as const) {
    const program = await app.inject({ method, url })
    t.match(program, { statusCode: status, headers: { 'content-type': 'application/problem+json; charset=utf-8', vary: /Accept/ } }, url)
    t.match(program.json(), { status, code })
    const browser = await app.inject({ method, url, headers: HTML })
    t.match(browser, { statusCode: status, headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', vary: /Accept/ } }, url)
    t.match(textOf(browser.body), new RegExp(`${status} .*Request ${String(browser.headers['x-request-id'])}`))
    t.equal(browser.headers['content-length'], String(Buffer.byteLength(browser.body)))
  }
  t.match(await app.inject({ method: 'HEAD', url: '/nothing', headers: HTML }), { statusCode: 404, body: '', headers: { 'content-type': /^text\/html/ } })
  t.match(await app.inject({ url: '/account/sessions' }), { statusCode: 401, headers: { 'content-type': /^application\/problem/ } }, 'a program is not led to a form')
  t.match(await app.inject({ url: '/auth/me', headers: HTML }), { statusCode: 401, headers: { 'content-type': /^application\/problem/ } }, 'a route of the API is one for browsers, too')
})

void t.test('before the service is ready its pages say so, in their style', async (t) => {
  const app = await openService(t, { readiness: { isReady: false, check: async () => ({ reasons: [], warnings: [] }) } })
  for (const url of ['/', '/login', '/account/sessions', '/docs']) {
    const answer = await app.inject({ url, headers: HTML })
    t.match(answer, { statusCode: 503, headers: { 'retry-after': '3', 'content-type': /^text\/html/ }, body: /The service does not answer/ }, url)
    t.match(answer.body, 'Try again in 3 seconds.')
    t.notMatch(answer.body, 'Sign in', 'nobody knows who is signed in')
  }
  t.match((await app.inject({ url: '/' })).json(), { code: 'ERR_STORE' })
  t.equal((await app.inject('/style.css')).statusCode, 200)
})

void t.test('pages say so when the storage fails, before and after they are made', async (t) => {
  class FailingStore extends MemoryStore {
    fails: 'get' | 'save' | null = null
    override async get (id: string) { return this.fails === 'get' ? await fail() : await super.get(id) }
    override async save (...given: Parameters<MemoryStore['save']>) { return this.fails === 'save' ? await fail() : await super.save(...given) }
  }
  const fail = async (): Promise<never> => { throw new StoreError('get') }
  const store = new FailingStore()
  const app = await openService(t, { store })
  const cookie = await beginSession(app)
  const { id } = (await app.inject({ url: '/session', headers: { cookie } })).json<{ id: string }>()
  const { secretHash = new Uint8Array() } = await store.get(id) ?? {}
  await store.save(id, secretHash, { set: { _flash: { notice: ['x'] } }, unset: [], idleSeconds: 60 })
  for (const fails of ['get', 'save'] as const) {
    store.fails = fails
    const answer = await app.inject({ url: '/login', headers: { ...HTML, cookie } })
    t.match(answer, { statusCode: 503, headers: { 'retry-after': '1', 'content-type': /^text\/html/, 'content-security-policy': /default-src 'none'/ }, body: /The service does not answer/ }, fails)
    t.equal(answer.headers['set-cookie'], undefined)
  }
})

void t.test('C13: no page may be kept by a cache, whoever sees it', async (t) => {
  const { visitor } = await open()
  const ada = visitor()
  const check = async (url: string): Promise<void> => { t.match((await ada.open(url)).headers, { 'cache-control': 'no-store', vary: /Cookie/ }, url) }
  for (const url of ['/', '/login', '/register', '/account/sessions']) await check(url)
  await ada.register()
  for (const url of ['/', '/login', '/account/sessions', '/account/password']) await check(url)
})

void t.test('the navigation offers administration to administrators alone', async (t) => {
  const { visitor } = await open()
  const [root, ada] = [visitor(), visitor()]
  await root.register('root@example.com')
  await ada.register()
  t.match((await root.open('/')).body, 'href="/admin"')
  t.notMatch((await ada.open('/')).body, 'href="/admin"')
})

void t.test('attack: what a visitor types or asks for is text on every page', async (t) => {
  const { visitor } = await open()
  const evil = '"><script>alert(1)</script>'
  const ann = visitor()
  for (const { body } of [
    await ann.open(`/login?next=${encodeURIComponent(`/${evil}`)}`), await ann.open(`/login?notice=${encodeURIComponent(evil)}`), await ann.open(`/${encodeURIComponent(evil)}`),
    await ann.signIn(evil, evil), await ann.submit('/register', { email: evil, password: evil, repeat: '' })
  ]) t.notMatch(body, /<script|alert\(1\)<\/|onerror=/)
})
