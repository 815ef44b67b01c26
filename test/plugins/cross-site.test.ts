import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { newId, newSecret } from '../../src/core/credential.js'
import { Browser, NAME, openApp, setCookies, signed } from '../helpers/session-app.js'

const HOST = 'app.example.com'
const OWN = `http://${HOST}`
const UNSAFE = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
const SAFE = ['GET', 'HEAD', 'OPTIONS'] as const

const routes = (app: FastifyInstance): void => {
  app.route({ method: [...UNSAFE, 'OPTIONS', 'GET'], url: '/act', handler: async () => 'acted' })
}

/** A browser with a session, and what a page elsewhere makes it send. */
async function victim (app: FastifyInstance): Promise<Browser> {
  const browser = new Browser(app)
  await browser.post('/login/ada')
  return browser
}

const cases: { title: string, headers: Record<string, string>, passes: boolean }[] = [
  { title: 'Sec-Fetch-Site: same-origin', headers: { 'sec-fetch-site': 'same-origin' }, passes: true },
  { title: 'Sec-Fetch-Site: none', headers: { 'sec-fetch-site': 'none' }, passes: true },
  { title: 'Sec-Fetch-Site: same-site', headers: { 'sec-fetch-site': 'same-site' }, passes: false },
  { title: 'Sec-Fetch-Site: cross-site', headers: { 'sec-fetch-site': 'cross-site' }, passes: false },
  { title: 'an unknown Sec-Fetch-Site', headers: { 'sec-fetch-site': 'same-planet' }, passes: false },
  { title: 'an empty Sec-Fetch-Site', headers: { 'sec-fetch-site': '' }, passes: false },
  { title: 'Sec-Fetch-Site in capitals', headers: { 'sec-fetch-site': 'SAME-ORIGIN' }, passes: false },
  { title: 'two Sec-Fetch-Site in one', headers: { 'sec-fetch-site': 'same-origin, cross-site' }, passes: false },
  { title: 'cross-site from a trusted origin', headers: { 'sec-fetch-site': 'cross-site', origin: 'https://trusted.example' }, passes: true },
  { title: 'same-site from a trusted origin', headers: { 'sec-fetch-site': 'same-site', origin: 'https://trusted.example' }, passes: true },
  { title: 'same-site from another origin', headers: { 'sec-fetch-site': 'same-site', origin: 'http://evil.example.com' }, passes: false },
  { title: 'cross-site with Origin: null', headers: { 'sec-fetch-site': 'cross-site', origin: 'null' }, passes: false },
  { title: 'the own Origin alone', headers: { origin: OWN }, passes: true },
  { title: 'a trusted Origin alone', headers: { origin: 'https://trusted.example' }, passes: true },
  { title: 'a foreign Origin alone', headers: { origin: 'https://evil.example' }, passes: false },
  { title: 'Origin: null alone', headers: { origin: 'null' }, passes: false },
  { title: 'an empty Origin', headers: { origin: '' }, passes: false },
  { title: 'the own host by https', headers: { origin: `https://${HOST}` }, passes: false },
  { title: 'the own host on another port', headers: { origin: `${OWN}:8080` }, passes: false },
  { title: 'an Origin that begins like the own', headers: { origin: `${OWN}.evil.example` }, passes: false },
  { title: 'an Origin that ends like the own', headers: { origin: `http://evil${HOST}` }, passes: false },
  { title: 'a subdomain of a trusted origin', headers: { origin: 'https://a.trusted.example' }, passes: false },
  { title: 'a trusted host by http', headers: { origin: 'http://trusted.example' }, passes: false },
  { title: 'a trusted origin with a path', headers: { origin: 'https://trusted.example/' }, passes: false },
  { title: 'two origins in one', headers: { origin: `${OWN}, https://evil.example` }, passes: false },
  { title: 'a prototype name as Origin', headers: { origin: '__proto__' }, passes: false },
  { title: 'a forged Referer alone', headers: { referer: 'https://evil.example/' }, passes: true },
  { title: 'a forged X-Forwarded-Host that names the Origin', headers: { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' }, passes: false },
  { title: 'a forged X-Forwarded-Proto', headers: { origin: `https://${HOST}`, 'x-forwarded-proto': 'https' }, passes: false },
  { title: 'neither header: no browser', headers: {}, passes: true }
]

t.test('an unsafe request with our cookie passes only from the own origin, a trusted one, or from no browser', async (t) => {
  const { app, store } = await openApp(t, { options: { csrf: { trustedOrigins: ['https://trusted.example'] } }, routes })
  const browser = await victim(app)
  for (const { title, headers, passes } of cases) {
    for (const method of UNSAFE) {
      store.takeCalls()
      const answer = await browser.send(method, '/act', { headers: { host: HOST, ...headers } })
      t.equal(answer.statusCode, passes ? 200 : 403, `${method}, ${title}`)
      if (passes) continue
      t.match(answer.json(), { code: 'ERR_CROSS_SITE', status: 403 })
      t.match(answer.headers, { vary: 'Sec-Fetch-Site, Origin', 'cache-control': 'no-store', 'content-type': /^application\/problem\+json/ })
      t.strictSame(setCookies(answer), [])
      t.strictSame(store.takeCalls(), [], 'refused before anything is read')
    }
    for (const method of SAFE) {
      t.equal((await browser.send(method, '/act', { headers: { host: HOST, ...headers } })).statusCode, 200, `${method}, ${title}`)
    }
  }
})

t.test('a request without a cookie that verifies has nothing to protect, and passes', async (t) => {
  const { app } = await openApp(t, { routes })
  const headers = { host: HOST, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  t.equal((await app.inject({ method: 'POST', url: '/act', headers })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/act', headers: { ...headers, cookie: `${NAME}=forged` } })).statusCode, 200)
  const signedButUnknown = signed({ id: newId(), secret: newSecret(), issuedAt: 0 })
  t.equal((await app.inject({ method: 'POST', url: '/act', headers: { ...headers, cookie: `${NAME}=${signedButUnknown}` } })).statusCode, 403, 'refused before the query that would tell')
})

t.test('without trusted origins only the own one passes', async (t) => {
  const { app } = await openApp(t, { routes })
  const browser = await victim(app)
  t.equal((await browser.post('/act', { headers: { host: HOST, origin: 'https://trusted.example' } })).statusCode, 403)
  t.equal((await browser.post('/act', { headers: { host: HOST, origin: OWN } })).statusCode, 200)
})

t.test('the own origin is what the proxy says, where the application trusts it', async (t) => {
  const { app } = await openApp(t, { server: { trustProxy: '127.0.0.1' }, routes })
  const browser = await victim(app)
  const forwarded = { host: 'internal:3000', 'x-forwarded-proto': 'https', 'x-forwarded-host': HOST }
  t.equal((await browser.post('/act', { headers: { ...forwarded, origin: `https://${HOST}` } })).statusCode, 200)
  t.equal((await browser.post('/act', { headers: { ...forwarded, origin: `http://${HOST}` } })).statusCode, 403)
  t.equal((await browser.post('/act', { headers: { ...forwarded, origin: 'http://internal:3000' } })).statusCode, 403)
  t.equal((await browser.post('/act', { headers: { ...forwarded, origin: 'https://internal:3000' }, remoteAddress: '203.0.113.9' })).statusCode, 403, 'a stranger\'s X-Forwarded-Proto counts for nothing')
})

t.test('csrf: \'dangerouslyOff\' lets everything pass', async (t) => {
  const { app } = await openApp(t, { options: { csrf: 'dangerouslyOff' }, routes })
  const browser = await victim(app)
  t.equal((await browser.post('/act', { headers: { host: HOST, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' } })).statusCode, 200)
})

t.test('a refusal keeps the Vary and the CORS headers that were there', async (t) => {
  const { app } = await openApp(t, {
    before: (app) => app.addHook('onRequest', async (_, reply) => { reply.headers({ vary: 'Accept-Encoding, origin', 'access-control-allow-origin': 'https://app.example.com' }) }),
    routes
  })
  const browser = await victim(app)
  const answer = await browser.post('/act', { headers: { host: HOST, 'sec-fetch-site': 'cross-site' } })
  t.equal(answer.statusCode, 403)
  t.equal(answer.headers['vary'], 'Accept-Encoding, origin, Sec-Fetch-Site')
  t.equal(answer.headers['access-control-allow-origin'], 'https://app.example.com')
})

t.test('a cross-site request cannot log a user out', async (t) => {
  const { app } = await openApp(t)
  const browser = await victim(app)
  for (const url of ['/logout', '/destroy', '/login/mallory', '/regenerate']) {
    t.equal((await browser.post(url, { headers: { host: HOST, 'sec-fetch-site': 'cross-site' } })).statusCode, 403)
  }
  t.equal((await browser.session()).userId, 'ada')
})
