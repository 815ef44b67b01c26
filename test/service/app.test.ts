import t from 'tap'
import { createLog } from '../../src/service/log.js'
import { beginSession, openService } from '../helpers/service-app.js'

void t.test('before the service is ready everything but /livez, /readyz, the key set and what the error page loads is answered with 503', async (t) => {
  const readiness = { isReady: false, check: async () => ({ reasons: ['the database does not answer'], warnings: [] }) }
  const app = await openService(t, { readiness })
  for (const url of ['/', '/session', '/auth/me', '/admin/sessions', '/docs', '/docs/json', '/nothing']) {
    const answer = await app.inject(url)
    t.match(answer, { statusCode: 503, headers: { 'retry-after': /^\d+$/, 'content-type': /^application\/problem/ } }, url)
    t.match(answer.json(), { code: 'ERR_STORE' })
  }
  for (const url of ['/livez', '/.well-known/jwks.json', '/style.css', '/favicon.svg']) t.equal((await app.inject(url)).statusCode, 200, url)
  t.match(await app.inject('/readyz'), { statusCode: 503, headers: { 'retry-after': /^\d+$/ } })
  t.match((await app.inject('/readyz')).json(), { code: 'ERR_NOT_READY', reasons: ['the database does not answer'] })
  readiness.isReady = true
  t.equal((await app.inject('/session')).statusCode, 200, 'and once it is, it is')
})

void t.test('health needs no session: a cookie costs no query', async (t) => {
  const app = await openService(t)
  const cookie = await beginSession(app)
  for (const url of ['/livez', '/readyz', '/nothing', '/favicon.svg']) {
    const answer = await app.inject({ url, headers: { cookie } })
    t.equal(answer.headers['set-cookie'], undefined, url)
  }
  t.match((await app.inject('/readyz')).json(), { status: 'ok' })
})

void t.test('a service that is degraded is ready, and says so', async (t) => {
  const app = await openService(t, { readiness: { isReady: true, check: async () => ({ reasons: [], warnings: ['the clocks'] }) } })
  t.match((await app.inject('/readyz')).json(), { status: 'degraded', warnings: ['the clocks'] })
})

void t.test('the id of a request is ours, and answered', async (t) => {
  const app = await openService(t)
  const { headers } = await app.inject({ url: '/session', headers: { 'x-request-id': 'forged' } })
  t.match(headers['x-request-id'], /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
})

void t.test('X10: what strangers forward is not believed; what the proxy forwards is', async (t) => {
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '203.0.113.9' }
  const seen = async (TRUST_PROXY: string | undefined, remoteAddress: string): Promise<string> => {
    const app = await openService(t, { env: TRUST_PROXY === undefined ? {} : { TRUST_PROXY } })
    const { body } = await app.inject({ url: '/', headers: forwarded, remoteAddress })
    return /PATCH (\S+)\/session/.exec(body)?.[1] ?? ''
  }
  t.equal(await seen(undefined, '127.0.0.1'), 'http://localhost:80')
  t.equal(await seen('10.0.0.0/8', '203.0.113.1'), 'http://localhost:80')
  t.equal(await seen('10.0.0.0/8', '10.1.2.3'), 'https://evil.example')
  t.equal(await seen('1', '::ffff:10.1.2.3'), 'https://evil.example')
  t.equal(await seen('1', '203.0.113.1'), 'http://localhost:80', 'a hop that is no private address is nobody’s proxy')
  t.equal(await seen('true', '203.0.113.1'), 'https://evil.example')
})

void t.test('no log line holds a cookie, a token or a value', async (t) => {
  let text = ''
  const log = createLog('trace', { write (line) { text += line } })
  const app = await openService(t, { log })
  const cookie = await beginSession(app, { colour: 'hunter2' })
  await app.inject({ url: '/session', headers: { cookie, authorization: 'Bearer hunter3' } })
  await app.inject({ url: '/nothing', headers: { cookie } })
  log.info({ req: { headers: { cookie, authorization: 'Bearer hunter3' } }, res: { headers: { 'set-cookie': cookie } } }, 'headers')
  log.error({ err: Object.assign(new Error('x'), { detail: 'Key (hunter2)', where: 'hunter2' }) }, 'driver')
  t.match(text, 'incoming request')
  for (const secret of [cookie.split('=')[1] ?? '', 'hunter2', 'hunter3']) t.notOk(text.includes(secret))
})

void t.test('attack: who reads the log finds no token that a client has put into a path', async (t) => {
  let text = ''
  const app = await openService(t, { log: createLog('trace', { write (line) { text += line } }) })
  const tokens = [`rt_${'Ab0-_'.repeat(24)}`, `eyJ${'hbGci'.repeat(12)}.eyJ${'zdWIi'.repeat(12)}.${'c2ln-_'.repeat(14)}`]
  for (const token of tokens) {
    for (const url of [`/auth/refresh/${token}`, `/${token}`, `/auth/sessions/${token}/x`, `/${'x'.repeat(150)}/${token}`]) await app.inject(url)
  }
  t.match(text, '"url":"/auth/refresh/[redacted]"')
  t.notMatch(text, /Ab0-_Ab0|hbGcihbGci|zdWIizdWIi|c2ln-_c2ln/)
})

void t.test('requests that come slowly are cut: their heads and their bodies have 30 seconds', async (t) => {
  const { server } = await openService(t)
  t.equal(server.requestTimeout, 30_000)
  t.equal(server.headersTimeout, 30_000)
  t.equal(Reflect.get(server, 'connectionsCheckingInterval'), 5_000, 'and who is late is looked for every five seconds')
})

void t.test('S08, S21: what stands in a query reaches neither the log nor an answer', async (t) => {
  let text = ''
  const app = await openService(t, { log: createLog('trace', { write (line) { text += line } }) })
  for (const path of ['/session', '/', '/nothing', '/readyz', '/%zz']) {
    for (const method of ['GET', 'PATCH', 'OPTIONS'] as const) {
      const { body, headers } = await app.inject({ method, url: `${path}?sid=hunter2` })
      t.notMatch(body + JSON.stringify(headers), 'hunter2', `${method} ${path}`)
    }
  }
  await app.inject(`/${'x'.repeat(5_000)}`)
  t.match(text, '"url":"/session"')
  t.notMatch(text, 'hunter2')
  t.notMatch(text, 'x'.repeat(300), 'nor does all of a long path')
})

void t.test('pages may be asked by scripts of their own origin, such as those of a browser’s tools', async (t) => {
  const app = await openService(t)
  t.match((await app.inject('/')).headers['content-security-policy'], "connect-src 'self'")
})
