import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { StoreError } from '../../src/core/errors.js'
import { createLog } from '../../src/service/log.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { beginSession, openService, PRODUCTION } from '../helpers/service-app.js'
import { BROWSER_ACCEPT, textOf } from './visitor.js'

/** Fails with whatever a test gives it. */
class FailingStore extends MemoryStore {
  error: Error | null = null
  override async get (id: string) {
    if (this.error !== null) throw this.error
    return await super.get(id)
  }
}

const BEHIND_PROXY = { ...PRODUCTION, TRUST_PROXY: 'loopback' }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const LONG = 'x'.repeat(3_000)

/** A kind of answer: its status, and what brings it. */
type Kind = readonly [status: number, request: InjectOptions]

const KINDS: readonly Kind[] = [
  [200, { url: '/' }],
  [200, { url: '/session' }],
  [200, { url: '/livez' }],
  [200, { url: '/metrics' }],
  [200, { url: '/style.css' }],
  [200, { url: '/docs' }],
  [200, { url: '/docs/json' }],
  [200, { url: '/docs/static/swagger-ui.css' }],
  [200, { url: '/.well-known/jwks.json' }],
  [200, { method: 'HEAD', url: '/login' }],
  [204, { method: 'POST', url: '/auth/logout' }],
  [204, { method: 'OPTIONS', url: '/session' }],
  [400, { url: '/%ff' }],
  [400, { url: '/auth/%E0%A4%A' }],
  [400, { method: 'HEAD', url: '/%' }],
  [400, { method: 'POST', url: '/%zz', headers: FORM, payload: 'x=1' }],
  [400, { method: 'PATCH', url: '/session', headers: { 'content-type': 'application/json' }, payload: '{' }],
  [400, { method: 'POST', url: '/auth/login', payload: {} }],
  [401, { url: '/auth/me' }],
  [401, { url: '/admin/sessions', headers: { authorization: 'Bearer x' } }],
  [403, { method: 'POST', url: '/auth/login', headers: { 'sec-fetch-site': 'cross-site' }, payload: { email: 'a', password: 'b' } }],
  [403, { method: 'POST', url: '/login', headers: FORM, payload: '' }],
  [403, { method: 'POST', url: '/register', headers: { ...FORM, origin: 'https://evil.example' }, payload: '' }],
  [404, { url: '/nothing' }],
  [404, { url: '/docs/static/nothing.css' }],
  [405, { method: 'POST', url: '/' }],
  [413, { method: 'POST', url: '/login', headers: FORM, payload: 'x'.repeat(20_000) }],
  [413, { method: 'PATCH', url: '/session', payload: { set: { a: 'x'.repeat(600_000) } } }],
  [414, { method: 'DELETE', url: `/auth/sessions/${LONG}` }],
  [415, { method: 'POST', url: '/login', headers: { 'content-type': 'text/plain' }, payload: 'x' }],
  [415, { method: 'POST', url: '/auth/login', headers: FORM, payload: 'x=1' }]
]

/** Before the database was reached once. */
const EARLY: readonly Kind[] = [[503, { url: '/' }], [503, { url: '/session' }], [503, { url: '/docs' }], [503, { url: '/nothing' }]]
/** While the storage fails: with a cookie. */
const needStore = (status: number): readonly Kind[] => [[status, { url: '/session' }], [status, { url: '/login' }]]

/** All kinds of answers, each as a program gets it and as a browser does, behind a proxy that speaks https. */
async function everyAnswer (t: Test, env: NodeJS.ProcessEnv): Promise<readonly (readonly [name: string, answer: LightMyRequestResponse])[]> {
  const answers: [string, LightMyRequestResponse][] = []
  const ask = async (app: FastifyInstance, kinds: readonly Kind[], cookie?: string): Promise<void> => {
    for (const accept of ['*/*', BROWSER_ACCEPT]) {
      for (const [status, { headers, ...request }] of kinds) {
        const answer = await app.inject({ ...request, headers: { accept, 'x-forwarded-proto': 'https', ...(cookie !== undefined && { cookie }), ...headers } })
        const name = `${status} ${request.method ?? 'GET'} ${String(request.url).slice(0, 40)} for ${accept.slice(0, 9)}`
        t.equal(answer.statusCode, status, name)
        answers.push([name, answer])
      }
    }
  }
  const store = new FailingStore()
  const app = await openService(t, { env, store })
  const cookie = await beginSession(app)
  await ask(app, KINDS)
  for (const [status, error] of [[503, new StoreError('get')], [500, new Error('hunter2')]] as const) {
    store.error = error
    await ask(app, needStore(status), cookie)
  }
  await ask(await openService(t, { env, readiness: { isReady: false, check: async () => ({ reasons: [], warnings: [] }) } }), EARLY)
  return answers
}

void t.test('C15, attack: whoever sits on the way finds no answer that lets a browser go back to http', async (t) => {
  for (const [name, { headers }] of await everyAnswer(t, BEHIND_PROXY)) {
    const maxAge = Number(/max-age=(\d+)/.exec(String(headers['strict-transport-security']))?.[1])
    t.ok(maxAge >= 365 * 24 * 60 * 60, name)
  }
  const plain = await openService(t)
  for (const url of ['/', '/%ff']) t.notOk('strict-transport-security' in (await plain.inject(url)).headers, 'HSTS would lock a desk out of http')
})

void t.test('C16, attack: no answer, of whatever kind, is framed, sniffed, based elsewhere or told to other sites', async (t) => {
  for (const [name, { headers }] of await everyAnswer(t, {})) {
    const policy = String(headers['content-security-policy'])
    for (const directive of ["default-src 'none'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'", "style-src 'self'"]) t.match(policy, directive, `${name}: ${directive}`)
    t.notMatch(policy, 'unsafe', name)
    t.match(headers, { 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin', 'x-frame-options': 'DENY', 'x-request-id': /^[0-9a-f-]{36}$/ }, name)
    t.notOk('x-powered-by' in headers || 'server' in headers, `${name} says nothing of what runs here`)
  }
})

void t.test('a URL that no router takes is a page for browsers and a problem document for programs', async (t) => {
  const app = await openService(t)
  for (const [url, status, code, words] of [['/%ff', 400, 'ERR_VALIDATION', /This could not be done/], ['/account/%E0%A4%A?x=1', 400, 'ERR_VALIDATION', /could not be read/], [`/auth/sessions/${LONG}`, 414, 'ERR_TOO_LARGE', /too long/]] as const) {
    const request = { method: status === 414 ? 'DELETE' as const : 'GET' as const, url }
    const program = await app.inject(request)
    t.match(program, { statusCode: status, headers: { 'content-type': /^application\/problem/, vary: /Accept/, 'cache-control': 'no-store' } }, url)
    t.match(program.json(), { status, code })
    const browser = await app.inject({ ...request, headers: { accept: BROWSER_ACCEPT } })
    t.match(browser, { statusCode: status, headers: { 'content-type': /^text\/html/, vary: /Accept/, 'cache-control': 'no-store' } }, url)
    t.match(textOf(browser.body), words)
    t.match(textOf(browser.body), `Request ${String(browser.headers['x-request-id'])}`)
    t.notMatch(browser.body, /%|xxx/, 'and what was asked for is not repeated')
  }
})

void t.test('the id of a user may be as long as any: 256 characters, each of them escaped', async (t) => {
  const app = await openService(t)
  const url = `/admin/users/${encodeURIComponent('字'.repeat(256))}`
  t.match(await app.inject({ url, headers: { accept: BROWSER_ACCEPT } }), { statusCode: 303, headers: { location: /^\/login/ } })
})

void t.test('a URL that no router takes is logged as it is, under the id that is answered', async (t) => {
  const lines: string[] = []
  const app = await openService(t, { log: createLog('info', { write: (line) => { lines.push(line) } }) })
  const { headers } = await app.inject('/%ff')
  const [first, ...others] = lines.map((line) => JSON.parse(line) as { reqId?: string, req?: { url: string } }).filter(({ reqId }) => reqId === headers['x-request-id'])
  t.equal(first?.req?.url, '/%ff')
  t.match(others.at(-1), { res: { statusCode: 400 } })
})
