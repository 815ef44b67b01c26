import { execFile } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { CheckedApi, examplesOf } from '../helpers/api-document.js'
import type { ApiDocument, Call, Placed } from '../helpers/api-document.js'
import { cookieOf, cookiesOf, openService, openServiceOnPostgres } from '../helpers/service-app.js'

const ROOT = join(import.meta.dirname, '../..')
const PASSWORD = 'correct horse battery'
const NOBODY = '00000000-0000-4000-8000-000000000000'
/** Answers that this test cannot bring about: what ends, or is disabled, between two statements of one request. */
const UNSEEN = ['changeSession 409', 'login 409', 'register 401', 'changePassword 409', 'reauthenticate 409']

async function documentOf (app: FastifyInstance): Promise<ApiDocument> {
  return (await app.inject('/docs/json')).json()
}

/** The routes of a service, as they were registered. */
async function routesOf (open: () => Promise<unknown>): Promise<RouteOptions[]> {
  const routes: RouteOptions[] = []
  const note = (message: unknown): void => {
    const app: FastifyInstance = Reflect.get(Object(message), 'fastify')
    app.addHook('onRoute', (route) => { routes.push(route) })
  }
  subscribe('fastify.initialization', note)
  try {
    await open()
  } finally {
    unsubscribe('fastify.initialization', note)
  }
  return routes
}

t.test('the document is one of OpenAPI 3.1', async (t) => {
  const document = await documentOf(await openService(t))
  t.equal(document.openapi, '3.1.0')
  t.strictSame(await new Validator().validate(Object(document)), { valid: true })
})

t.test('every route of the service stands in the document; what does not is a page', async (t) => {
  const found: FastifyInstance[] = []
  const routes = await routesOf(async () => { found.push(await openService(t)) })
  const [app] = found
  if (app === undefined) throw new Error('there is no service')
  const document = await documentOf(app)
  t.ok(routes.length > 30)
  for (const { method, url, schema } of routes) {
    for (const verb of [method].flat().filter((name) => name !== 'HEAD')) {
      const path = url.replaceAll(/:(\w+)/g, '{$1}')
      const operation = document.paths[path]?.[verb.toLowerCase()]
      if (schema?.operationId === undefined) {
        t.equal(operation, undefined, `${verb} ${url}`)
        if (!url.startsWith('/docs')) t.notMatch((await app.inject({ method: verb as 'GET', url, headers: { accept: 'text/html' } })).headers['content-type'], 'json', `${verb} ${url} is for people`)
      } else {
        t.equal(operation?.operationId, schema.operationId, `${verb} ${url}`)
      }
    }
  }
})

t.test('every operation says what it is, by a name of its own, and its examples are right', async (t) => {
  const app = await openService(t)
  const api = new CheckedApi(app, await documentOf(app))
  const count = Object.values(api.document.paths).flatMap((methods) => Object.keys(methods)).length
  t.equal(api.operations.size, count, 'no operationId stands twice')
  for (const operation of api.operations.values()) {
    const { operationId, summary, tags, security, responses, requestBody } = operation
    t.ok(summary !== undefined && tags?.length === 1 && security !== undefined, operationId)
    for (const scheme of security?.flatMap((group) => Object.keys(group)) ?? []) t.ok(scheme in api.document.components.securitySchemes, `${operationId}: ${scheme}`)
    t.ok('default' in responses, `${operationId}: and whatever else may happen`)
    for (const [status, { content = {} }] of Object.entries(responses)) {
      for (const [type, media] of Object.entries(content)) t.ok(Object.keys(media.examples ?? {}).length > 0, `${operationId} ${status} ${type} has an example`)
    }
    if (requestBody !== undefined) t.ok(Object.keys(requestBody.content['application/json'] ?? {}).some((key) => key.startsWith('example')), `${operationId} has an example of its body`)
    for (const { schema, value } of examplesOf(operation)) t.equal(api.faults(schema, value), '', `${operationId}: ${JSON.stringify(value)}`)
    for (const { headers = {} } of Object.values(responses)) {
      for (const { schema } of Object.values(headers)) for (const value of schema.examples ?? []) t.equal(api.faults(schema, value), '', `${operationId}: ${JSON.stringify(value)}`)
    }
  }
})

t.test('the codes of the document stand in docs/errors.md with their status', async (t) => {
  const text = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
  const told = new Map<string, Set<string>>()
  for (const [, code = '', statuses = ''] of text.matchAll(/^\| `(ERR_[A-Z_]+)` \| ([\d, ]+) \|/gm)) told.set(code, new Set([...told.get(code) ?? [], ...statuses.split(', ')]))
  const document = await documentOf(await openService(t))
  const found = [...JSON.stringify(document).matchAll(/"status":\{"const":(\d+)\},"code":\{"enum":\[([^\]]+)\]/g)].flatMap(([, status = '', codes = '']) => codes.split(',').map((code) => [JSON.parse(code), status] as const))
  t.ok(found.length > 100)
  for (const [code, status] of new Map(found.map((pair) => [pair.join(), pair])).values()) t.ok(told.get(code)?.has(status), `${code} ${status}`)
})

t.test('the names of cookies in the document are those of the configuration', async (t) => {
  const names = async (env: NodeJS.ProcessEnv): Promise<unknown[]> => Object.values((await documentOf(await openService(t, { env }))).components.securitySchemes).flatMap(({ name }) => name ?? [])
  t.strictSame(await names({}), ['sid', 'at', 'X-Refresh-Token', 'rt'])
  t.strictSame(await names({ SESSION_SECURE: 'on', SESSION_COOKIE_NAME: 'who' }), ['who', '__Host-at', 'X-Refresh-Token', '__Host-rt'])
})

t.test('the document is there as a page, as JSON and as YAML, and has no session', async (t) => {
  const app = await openService(t)
  for (const [url, type] of [['/docs', 'text/html'], ['/docs/json', 'application/json'], ['/docs/yaml', 'application/x-yaml']] as const) {
    const answer = await app.inject(url)
    t.equal(answer.statusCode, 200, url)
    t.match(answer.headers['content-type'], type)
    t.notOk('set-cookie' in answer.headers)
    t.match(answer.headers['content-security-policy'], /^default-src 'none'; object-src 'none'; script-src 'self';/)
    t.notMatch(answer.headers['content-security-policy'], /unsafe|https?:/)
  }
})

t.test('the build writes the document as a service behind https has it', async (t) => {
  const file = join(t.testdir({}), 'openapi.json')
  await promisify(execFile)(process.execPath, [join(ROOT, 'dist/service/openapi/write.js'), file], { cwd: ROOT, env: { PATH: process.env['PATH'] } })
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), await documentOf(await openService(t, { env: { SESSION_SECURE: 'on' } })))
})

const NOT_READY = { isReady: false, check: async () => ({ reasons: ['the database does not answer'], warnings: ['the clocks'] }) }

interface Person { readonly id: string, readonly email: string, readonly cookie: string, readonly sessionId: string }

interface Api {
  readonly api: CheckedApi
  readonly app: FastifyInstance
  readonly root: Person
  readonly ann: Person
  /** Moves the newest refresh tokens of all sessions into the past, so that they rotate. */
  readonly age: () => Promise<void>
  readonly limited: FastifyInstance
  readonly starting: FastifyInstance
}

async function open (t: Test): Promise<Api> {
  const service = await openServiceOnPostgres(t, { env: { ADMIN_EMAILS: 'root@example.com' } })
  const { app, pool } = service
  const api = new CheckedApi(app, await documentOf(app))
  const person = async (name: string): Promise<Person> => {
    const email = `${name}@example.com`
    const answer = await api.call(t, 'register', { body: { email, password: PASSWORD, transport: 'none' } })
    const { user, session } = answer.json()
    return { id: user.id, email, cookie: cookieOf(answer), sessionId: session.id }
  }
  return {
    api,
    app,
    root: await person('root'),
    ann: await person('ann'),
    age: async () => { await pool.query("UPDATE refresh_tokens SET delivered_at = delivered_at - interval '10 minutes', confirmed_at = confirmed_at - interval '10 minutes'") },
    limited: await service.openNode({ env: { RATE_LIMIT: 'on' } }),
    starting: await service.openNode({ readiness: NOT_READY })
  }
}

t.test('every operation is called, good and bad, and answers as the document says', async (t) => {
  const parts = await open(t)
  await watching(t, parts)
  await signingIn(t, parts)
  await tokens(t, parts)
  await account(t, parts)
  await session(t, parts)
  await administration(t, parts)
  await refusals(t, parts)
  await limits(t, parts)
  const { api } = parts
  t.strictSame(api.told.filter((answer) => !api.seen.has(answer)).sort(), [...UNSEEN].sort(), 'every answer in the document has been seen')
})

const login = (person: Person, more: object = {}): Call => ({ body: { email: person.email, password: PASSWORD, ...more } })

async function watching (t: Test, { api, starting }: Api): Promise<void> {
  for (const name of ['livez', 'readyz', 'metrics', 'keySet']) t.equal((await api.call(t, name)).statusCode, 200, name)
  t.equal((await api.call(t, 'readyz', { app: starting })).statusCode, 503)
}

async function signingIn (t: Test, { api, ann }: Api): Promise<void> {
  for (const transport of ['body', 'cookie', 'hybrid', 'none']) t.equal((await api.call(t, 'login', login(ann, { transport }))).statusCode, 200, transport)
  await api.call(t, 'login', login(ann, { transport: 'none', remember: true }))
  t.equal((await api.call(t, 'login', { body: { email: ann.email, password: 'wrong' } })).statusCode, 401)
  t.equal((await api.call(t, 'login', login(ann, { remember: true }))).statusCode, 400, 'what no schema can say')
  t.equal((await api.call(t, 'register', login(ann))).statusCode, 409)
  for (const transport of ['body', 'cookie', 'hybrid']) t.equal((await api.call(t, 'register', { body: { email: `${transport}@example.com`, password: PASSWORD, transport } })).statusCode, 201)
  t.equal((await api.call(t, 'register', { body: { email: 'weak@example.com', password: 'passwordpassword' } })).statusCode, 422)
  const cookie = cookieOf(await api.call(t, 'login', login(ann)))
  t.equal((await api.call(t, 'logout', { cookie })).statusCode, 204)
  t.equal((await api.call(t, 'logout')).statusCode, 204)
  t.match((await api.call(t, 'logoutOthers', { cookie: ann.cookie })).json(), { ended: 5 })
}

async function tokens (t: Test, { api, ann, root, age }: Api): Promise<void> {
  const signedIn = await api.call(t, 'login', login(ann))
  const first: string = signedIn.json().refresh_token
  t.match((await api.call(t, 'refresh', { body: { refresh_token: first } })).json(), { rotates_in: Number }, 'early')
  await age()
  const second: string = (await api.call(t, 'refresh', { token: first })).json().refresh_token
  t.match(second, /^rt_/, 'rotated')
  t.match((await api.call(t, 'refresh', { headers: { 'x-refresh-token': second } })).headers['set-cookie'], /at=/)
  const cookies = cookiesOf(await api.call(t, 'login', login(ann, { transport: 'cookie' })))
  await age()
  t.strictSame(Object.keys((await api.call(t, 'refresh', { cookie: cookies })).json()), ['expires_in'])
  const hybrid = await api.call(t, 'login', login(ann, { transport: 'hybrid' }))
  await age()
  t.match((await api.call(t, 'refresh', { headers: { 'x-refresh-token': String(hybrid.headers['x-refresh-token']) } })).headers, { 'x-refresh-token': /^rt_/ })
  for (const [call, status, code] of [
    [{ body: { refresh_token: 'nonsense' } }, 401, 'ERR_TOKEN_INVALID'],
    [{ body: { refresh_token: second }, cookie: root.cookie }, 401, 'ERR_TOKEN_WRONG_USER'],
    [{ body: { refresh_token: first } }, 401, 'ERR_TOKEN_REUSED'],
    [{ body: { refresh_token: second } }, 401, 'ERR_SESSION_BLOCKED'],
    [{}, 400, 'ERR_TOKEN_MISSING'],
    [{ body: { refresh_token: first }, headers: { 'x-refresh-token': second } }, 400, 'ERR_TOKEN_CONFLICT']
  ] as const) {
    if (code === 'ERR_TOKEN_REUSED') await age()
    t.match((await api.call(t, 'refresh', call)).json(), { status, code })
  }
  const third: string = (await api.call(t, 'login', login(ann))).json().refresh_token
  for (const call of [{ body: { refresh_token: third } }, { token: third }, { body: { refresh_token: 'nonsense' } }, { cookie: cookies }]) t.equal((await api.call(t, 'revoke', call)).statusCode, 204)
  t.match((await api.call(t, 'refresh', { token: third })).json(), { code: 'ERR_TOKEN_REVOKED' })
}

async function account (t: Test, { api, ann }: Api): Promise<void> {
  const signedIn = await api.call(t, 'login', login(ann))
  const { access_token: token, session } = signedIn.json()
  const cookie = cookieOf(signedIn)
  for (const call of [{ token }, { cookie }]) {
    for (const name of ['me', 'listSessions']) t.equal((await api.call(t, name, call)).statusCode, 200)
    t.match((await api.call(t, 'verify', call)).headers, { 'x-user-id': ann.id, 'x-session-id': session.id })
  }
  t.match((await api.call(t, 'verify', { cookie, headers: { 'x-original-method': 'POST', origin: 'https://evil.example' } })).json(), { status: 403 })
  t.match((await api.call(t, 'me', { token: 'nonsense' })).json(), { status: 401, error: 'invalid_token' })
  const again = await api.call(t, 'reauthenticate', { cookie, body: { password: PASSWORD } })
  t.equal(again.statusCode, 204)
  t.equal((await api.call(t, 'reauthenticate', { token, body: { password: PASSWORD } })).statusCode, 204)
  t.equal((await api.call(t, 'changePassword', { token, body: { current: PASSWORD, next: 'short' } })).statusCode, 422)
  t.equal((await api.call(t, 'changePassword', { token, body: { current: 'wrong', next: PASSWORD } })).statusCode, 401)
  const other = await api.call(t, 'login', login(ann))
  t.equal((await api.call(t, 'endSession', { token, params: { id: other.json().session.id } })).statusCode, 204)
  t.equal((await api.call(t, 'endSession', { token, params: { id: NOBODY } })).statusCode, 404)
  t.equal((await api.call(t, 'changePassword', { token, body: { current: PASSWORD, next: PASSWORD } })).statusCode, 204)
  t.equal((await api.call(t, 'logoutAll', { token })).statusCode, 200)
}

async function session (t: Test, { api }: Api): Promise<void> {
  t.match((await api.call(t, 'readSession')).json(), { id: null })
  const cookie = cookieOf(await api.call(t, 'changeSession', { body: { set: { colour: 'silver', list: [1, { a: null }] } } }))
  t.match((await api.call(t, 'readSession', { cookie })).json(), { values: { colour: 'silver' } })
  await api.call(t, 'changeSession', { cookie, body: { unset: ['colour'] } })
  await api.call(t, 'changeSession', { cookie })
  await api.call(t, 'changeSession', { cookie, body: 'null' })
  t.equal((await api.call(t, 'changeSession', { cookie, body: { set: { _own: 1 } } })).statusCode, 400)
  t.equal((await api.call(t, 'changeSession', { cookie, body: { set: { big: 'x'.repeat(70_000) } } })).statusCode, 422)
  const many = Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`key${index}`, 'x'.repeat(60_000)]))
  t.match((await api.call(t, 'changeSession', { cookie, body: { set: many } })).json(), { code: 'ERR_SESSION_TOO_LARGE' })
  t.equal((await api.call(t, 'endOwnSession', { cookie })).statusCode, 204)
  t.equal((await api.call(t, 'endOwnSession')).statusCode, 204)
}

async function administration (t: Test, { api, root, ann }: Api): Promise<void> {
  const { cookie } = root
  const { session } = (await api.call(t, 'login', login(ann))).json()
  for (const query of [{}, { user: ann.id }, { q: ann.email }, { cursor: NOBODY }]) t.equal((await api.call(t, 'searchSessions', { cookie, query })).statusCode, 200)
  t.equal((await api.call(t, 'searchSessions', { cookie, query: { cursor: 'x' } })).statusCode, 400)
  await api.call(t, 'blockSession', { cookie, params: { id: session.id }, body: { reason: 'odd' } })
  t.match((await api.call(t, 'searchSessions', { cookie, query: { user: ann.id } })).json(), { sessions: [{ blockedReason: 'odd' }] })
  for (const [name, id] of [['blockSession', session.id], ['unblockSession', session.id], ['endAnySession', session.id], ['disableUser', ann.id], ['enableUser', ann.id], ['logOutUser', ann.id]] as const) {
    t.equal((await api.call(t, name, { cookie, params: { id } })).statusCode, 204, name)
    t.equal((await api.call(t, name, { cookie, params: { id: NOBODY } })).statusCode, 404, name)
  }
  t.equal((await api.call(t, 'blockSession', { cookie, params: { id: root.sessionId } })).statusCode, 409)
  t.equal((await api.call(t, 'disableUser', { cookie, params: { id: root.id } })).statusCode, 409)
  const other = cookieOf(await api.call(t, 'login', login(ann)))
  for (const name of ['searchSessions', 'blockSession', 'unblockSession', 'endAnySession', 'disableUser', 'enableUser', 'logOutUser']) t.match((await api.call(t, name, { cookie: other, params: { id: NOBODY } })).json(), { code: 'ERR_FORBIDDEN' })
}

/** What any operation refuses, wherever the document says that it does. */
async function refusals (t: Test, { api, root: { cookie }, starting }: Api): Promise<void> {
  const isGuarded = ({ responses, operationId }: Placed): boolean => '401' in responses && !['login', 'register', 'refresh'].includes(operationId)
  for (const operation of api.operations.values()) {
    const { operationId: name, responses, method } = operation
    const mayHaveBody = method !== 'GET'
    const params = { id: NOBODY }
    const known = { params, ...(isGuarded(operation) && { cookie }) }
    if (isGuarded(operation)) t.match((await api.call(t, name, { params })).json(), { status: 401, code: 'ERR_UNAUTHENTICATED' })
    if ('413' in responses) t.equal((await api.call(t, name, { ...known, body: { text: 'x'.repeat(600_000) } })).statusCode, 413, name)
    if ('415' in responses) t.equal((await api.call(t, name, { ...known, body: 'text', headers: { 'content-type': 'text/plain' } })).statusCode, 415, name)
    if ('400' in responses && mayHaveBody) {
      t.equal((await api.call(t, name, { ...known, body: '{' })).statusCode, 400, name)
      t.match((await api.call(t, name, { ...known, body: { unknown: 1 } })).json(), { status: 400, code: 'ERR_VALIDATION', field: String }, name)
    }
    if ('400' in responses && !mayHaveBody) t.equal((await api.call(t, name, { ...known, headers: { authorization: 'Bearer' } })).statusCode, 400, name)
    if ('403' in responses && mayHaveBody) t.match((await api.call(t, name, { params, cookie, headers: { 'sec-fetch-site': 'cross-site' } })).json(), { code: 'ERR_CROSS_SITE' })
    if ('503' in responses) t.equal((await api.call(t, name, { app: starting, params })).statusCode, 503, name)
  }
}

async function limits (t: Test, { api, limited: app, ann }: Api): Promise<void> {
  const from = { app, remoteAddress: '203.0.113.9' }
  const until429 = async (name: string, most: number, call: () => Call): Promise<void> => {
    for (let round = 0; round <= most; round++) {
      if ((await api.call(t, name, { ...from, ...call() })).statusCode === 429) return
    }
    t.fail(`${name} has no limit`)
  }
  const { access_token: token, refresh_token: refreshToken } = (await api.call(t, 'login', { ...from, ...login(ann) })).json()
  await until429('reauthenticate', 6, () => ({ token, body: { password: 'wrong' } }))
  t.equal((await api.call(t, 'changePassword', { ...from, token, body: { current: 'wrong', next: PASSWORD } })).statusCode, 429)
  await until429('login', 6, () => ({ body: { email: 'nobody@example.com', password: 'wrong' } }))
  await until429('register', 6, () => login(ann))
  await until429('changeSession', 61, () => ({ body: { set: { a: 1 } } }))
  await until429('refresh', 301, () => ({ token: refreshToken }))
}
