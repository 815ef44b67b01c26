import t from 'tap'
import type { SessionsOptions } from '../../src/plugins/sessions.js'
import { anySession, Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

const DAY = 86_400
const trusted = { csrf: { trustedOrigins: ['https://app.example.com'] } }

const modes: { title: string, options: Partial<SessionsOptions>, name: string, attributes: Record<string, string | true> }[] = [
  { title: 'the default is a host-bound, Secure, HttpOnly, Lax cookie of a day', options: {}, name: '__Host-sid', attributes: { 'Max-Age': '86400', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' } },
  { title: 'without Secure it is called sid', options: { secure: false }, name: 'sid', attributes: { 'Max-Age': '86400', Path: '/', HttpOnly: true, SameSite: 'Lax' } },
  { title: 'with a path it is called sid', options: { path: '/shop' }, name: 'sid', attributes: { 'Max-Age': '86400', Path: '/shop', HttpOnly: true, Secure: true, SameSite: 'Lax' } },
  { title: 'with a domain it is called sid', options: { domain: 'Example.com' }, name: 'sid', attributes: { 'Max-Age': '86400', Domain: 'example.com', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' } },
  { title: 'a name of one\'s own is kept', options: { sessionName: '__Secure-app', domain: 'example.com', sameSite: 'strict' }, name: '__Secure-app', attributes: { 'Max-Age': '86400', Domain: 'example.com', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Strict' } },
  { title: 'SameSite=None with trusted origins', options: { sameSite: 'none', ...trusted }, name: '__Host-sid', attributes: { 'Max-Age': '86400', Path: '/', HttpOnly: true, Secure: true, SameSite: 'None' } },
  { title: 'Max-Age is maxAge', options: { maxAge: 90 }, name: '__Host-sid', attributes: { 'Max-Age': '90', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' } }
]

for (const { title, options, name, attributes } of modes) {
  t.test(`cookie attributes: ${title}`, async (t) => {
    const { app } = await openApp(t, { options })
    const answer = await app.inject({ method: 'POST', url: '/set/a/1' })
    t.equal(setCookies(answer).length, 1)
    const [cookie] = setCookies(answer, name)
    t.strictSame(cookie?.attributes, attributes)
    t.match(cookie?.value, /^[A-Za-z0-9_-]{72}\.[A-Za-z0-9_-]{43}$/)
  })

  t.test(`clearing repeats the attributes: ${title}`, async (t) => {
    const { app } = await openApp(t, { options })
    const browser = new Browser(app)
    await browser.post('/set/a/1')
    const [cleared, ...more] = setCookies(await browser.post('/destroy'), name)
    t.strictSame(more, [])
    t.equal(cleared?.value, '')
    const { Expires, ...rest } = cleared?.attributes ?? {}
    t.equal(Expires, 'Thu, 01 Jan 1970 00:00:00 GMT')
    t.strictSame(rest, { ...attributes, 'Max-Age': '0' })
  })
}

t.test('the application\'s @fastify/cookie, with defaults of its own, changes no attribute of ours', async (t) => {
  const { default: cookie } = await import('@fastify/cookie')
  const { app } = await openApp(t, {
    before: (app) => app.register(cookie, { secret: 'not ours to use', parseOptions: { domain: 'evil.example', signed: true, partitioned: true, priority: 'low', maxAge: 5, secure: false, httpOnly: false, expires: new Date(0) } })
  })
  const [set] = setCookies(await app.inject({ method: 'POST', url: '/set/a/1' }), NAME)
  t.strictSame(set?.attributes, { 'Max-Age': '86400', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
})

t.test('options({ maxAge: null }) makes a browser-session cookie, and later answers keep it one', async (t) => {
  const { app, clock, store } = await openApp(t, {
    routes: (app) => app.post('/browser', async (request) => {
      request.session.options({ maxAge: null })
      anySession(request).set('a', 1)
      return 'ok'
    })
  })
  const browser = new Browser(app)
  const [first] = setCookies(await browser.post('/browser'), NAME)
  t.strictSame(first?.attributes, { Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
  const { id } = await browser.session()
  const record = await store.get(id)
  t.equal(record?.maxAge, null)
  t.equal(record && record.expiresAt.getTime() - record.readAt.getTime(), DAY * 1000, 'the server keeps the manager\'s maxAge')
  clock.advance(DAY / 2)
  const [again] = setCookies(await browser.get('/'), NAME)
  t.strictSame(again?.attributes, { Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
  const [regenerated] = setCookies(await browser.post('/regenerate'), NAME)
  t.strictSame(regenerated?.attributes, { Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
})

t.test('a maxAge of the session\'s own is kept with it: cookie, expiry and slides follow it', async (t) => {
  const { app, clock, store } = await openApp(t, {
    options: { maxAge: 1_000 },
    routes: (app) => app.post('/stay', async (request) => {
      request.session.setUserId('ada')
      request.session.options({ maxAge: 20 * DAY })
      return request.session.expiresAt
    })
  })
  const browser = new Browser(app)
  const [set] = setCookies(await browser.post('/stay'), NAME)
  t.equal(set?.attributes['Max-Age'], String(20 * DAY))
  clock.advance(15 * DAY)
  const [again] = setCookies(await browser.get('/'), NAME)
  t.equal(again?.attributes['Max-Age'], String(15 * DAY), 'never past the absolute end')
  const { id, userId } = await browser.session()
  t.equal(userId, 'ada')
  const record = await store.get(id)
  t.equal(record?.maxAge, 20 * DAY)
  t.strictSame(record?.expiresAt, record?.absoluteExpiresAt)
  const [renewed] = setCookies(await browser.post('/regenerate'), NAME)
  t.equal(renewed?.attributes['Max-Age'], String(15 * DAY))
})

t.test('a maxAge given to a stored session is written without any other change', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/stay', async (request) => {
      request.session.options({ maxAge: 500 })
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const [set] = setCookies(await browser.post('/stay'), NAME)
  t.equal(set?.attributes['Max-Age'], '500')
  const { id, values } = await browser.session()
  t.equal((await store.get(id))?.maxAge, 500)
  t.strictSame(values, { a: '1' })
})

t.test('options for one answer leave other sessions and later answers alone', async (t) => {
  const { app } = await openApp(t, {
    options: { sessionName: 'sid' },
    routes: (app) => app.post('/once', async (request) => {
      request.session.options({ sameSite: 'strict', secure: false })
      anySession(request).set('a', 1)
      return 'ok'
    })
  })
  const [once] = setCookies(await app.inject({ method: 'POST', url: '/once' }), 'sid')
  t.match(once?.attributes, { SameSite: 'Strict', Path: '/', Secure: undefined })
  const [other] = setCookies(await app.inject({ method: 'POST', url: '/set/a/1' }), 'sid')
  t.match(other?.attributes, { SameSite: 'Lax', Path: '/', Secure: true })
})

const refused: { title: string, given: object, option: string }[] = [
  { title: 'an unknown option', given: { maxage: 5 }, option: 'maxAge' },
  { title: 'a maxAge of 0', given: { maxAge: 0 }, option: 'maxAge' },
  { title: 'a maxAge that is NaN', given: { maxAge: NaN }, option: 'maxAge' },
  { title: 'a maxAge over 400 days', given: { maxAge: 400 * DAY + 1 }, option: 'maxAge' },
  { title: 'httpOnly: false', given: { httpOnly: false }, option: 'httpOnly' },
  { title: 'an unknown SameSite', given: { sameSite: 'Laxx' }, option: 'sameSite' },
  { title: 'SameSite=None without Secure', given: { sameSite: 'none', secure: false }, option: 'sameSite' },
  { title: 'SameSite=None without trusted origins', given: { sameSite: 'none' }, option: 'sameSite' },
  { title: 'a path with ";"', given: { path: '/;Domain=evil.example' }, option: 'path' },
  { title: 'a path with a line break', given: { path: '/\r\nSet-Cookie: a=b' }, option: 'path' },
  { title: 'an IP as domain', given: { domain: '127.0.0.1' }, option: 'domain' },
  { title: 'a domain for a __Host- cookie', given: { domain: 'example.com' }, option: 'domain' },
  { title: 'a path for a __Host- cookie', given: { path: '/app' }, option: 'path' },
  { title: 'secure: false for a __Host- cookie', given: { secure: false }, option: 'secure' }
]

t.test('session.options refuses what the plugin\'s options refuse, naming the option', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/options', async (request) => {
      try {
        request.session.options(request.body as object)
        return { refused: false }
      } catch (error) {
        return { refused: error instanceof TypeError, message: String(error) }
      }
    })
  })
  for (const { title, given, option } of refused) {
    const payload = { ...given }
    const answer = await app.inject({ method: 'POST', url: '/options', payload: Number.isNaN(Object.values(payload)[0]) ? { maxAge: 'NaN' } : payload })
    t.equal(answer.json().refused, true, title)
    t.match(answer.json().message, option, title)
  }
})

t.test('what was configured before the refusal stands', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/options', async (request) => {
      t.throws(() => { request.session.options({ domain: 'example.com' }) }, TypeError)
      t.throws(() => { request.session.options({ maxAge: -1, sameSite: 'strict' }) }, TypeError)
      anySession(request).set('a', 1)
      return 'ok'
    })
  })
  const [set] = setCookies(await app.inject({ method: 'POST', url: '/options' }), NAME)
  t.strictSame(set?.attributes, { 'Max-Age': '86400', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' })
})

t.test('a Secure cookie on plain http is set, and the log says once that browsers will not keep it', async (t) => {
  const { LogLines } = await import('../helpers/session-app.js')
  const log = new LogLines()
  const { app } = await openApp(t, { server: { logger: { stream: log } } })
  for (const host of ['localhost:3000', '127.0.0.1:3000', '[::1]:3000']) {
    await app.inject({ method: 'POST', url: '/set/a/1', headers: { host } })
  }
  t.equal(log.withMessage(/Secure.*http/).length, 0, 'localhost counts as secure')
  for (let n = 0; n < 2; n++) await app.inject({ method: 'POST', url: '/set/a/1', headers: { host: 'app.example.com' } })
  t.equal(log.withMessage(/Secure.*http/).length, 1)
})
