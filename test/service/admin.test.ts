import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { newSession } from '../../src/testing/fixtures.js'
import type { QueryMessage } from '../../src/stores/measures.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { cookieOf, openServiceOnPostgres } from '../helpers/service-app.js'
import type { ServiceOnPostgres } from '../helpers/service-app.js'

const PASSWORD = 'correct horse battery'
const NOBODY = '00000000-0000-4000-8000-000000000000'

interface Person { readonly id: string, readonly cookie: string, readonly sessionId: string }

async function person (app: FastifyInstance, email: string): Promise<Person> {
  const answer = await app.inject({ method: 'POST', url: '/auth/register', payload: { email, password: PASSWORD, transport: 'none' } })
  const { user, session } = answer.json()
  return { id: user.id, cookie: cookieOf(answer), sessionId: session.id }
}

async function open (t: Test) {
  const service: ServiceOnPostgres = await openServiceOnPostgres(t, { env: { ADMIN_EMAILS: 'root@example.com' } })
  const [root, ann] = [await person(service.app, 'root@example.com'), await person(service.app, 'ann@example.com')]
  const as = async ({ cookie }: Person, method: InjectOptions['method'], url: string, payload?: object): Promise<LightMyRequestResponse> =>
    await service.app.inject({ method: method ?? 'GET', url, headers: { cookie }, ...(payload !== undefined && { payload }) })
  return { ...service, root, ann, as }
}

const ACTS = [
  ['GET', '/admin/sessions'], ['POST', `/admin/sessions/${NOBODY}/block`], ['POST', `/admin/sessions/${NOBODY}/unblock`], ['DELETE', `/admin/sessions/${NOBODY}`],
  ['POST', `/admin/users/${NOBODY}/logout`], ['POST', `/admin/users/${NOBODY}/disable`], ['POST', `/admin/users/${NOBODY}/enable`]
] as const

void t.test('attack: strangers get 401 and users 403 of every route of administrators, whatever the body', async (t) => {
  const { app, as, ann } = await open(t)
  for (const [method, url] of ACTS) {
    t.match((await app.inject({ method, url })).json(), { status: 401, code: 'ERR_UNAUTHENTICATED' }, url)
    t.match((await as(ann, method, url)).json(), { status: 403, code: 'ERR_FORBIDDEN' }, url)
  }
  t.equal((await app.inject({ url: '/admin/sessions', headers: { 'x-user-id': NOBODY, 'x-is-admin': 'true' } })).statusCode, 401, 'headers prove nothing')
})

void t.test('what is done to nobody and nothing is 404', async (t) => {
  const { as, root } = await open(t)
  for (const [method, url] of ACTS.slice(1)) {
    for (const id of [NOBODY, 'nonsense', '%00']) t.match((await as(root, method, url.replace(NOBODY, id))).json(), { status: 404, code: 'ERR_NOT_FOUND' }, `${url} ${id}`)
  }
})

void t.test('acts that take no members refuse a body that has some, and do nothing', async (t) => {
  const { app, as, root, ann } = await open(t)
  const acts = [['POST', `/admin/sessions/${ann.sessionId}/unblock`], ['POST', `/admin/users/${ann.id}/enable`], ['POST', `/admin/users/${ann.id}/logout`], ['POST', `/admin/users/${ann.id}/disable`], ['DELETE', `/admin/sessions/${ann.sessionId}`]] as const
  for (const [method, url] of acts) {
    t.match((await as(root, method, url, { zzz: 1 })).json(), { status: 400, code: 'ERR_VALIDATION', field: 'zzz' }, url)
    t.match((await as(root, method, url, [])).json(), { status: 400, code: 'ERR_VALIDATION', field: 'body' }, url)
  }
  t.equal((await as(ann, 'GET', '/auth/me')).statusCode, 200)
  for (const payload of ['', 'null', '{}']) {
    const answer = await app.inject({ method: 'POST', url: `/admin/users/${ann.id}/enable`, headers: { cookie: root.cookie, 'content-type': 'application/json' }, payload })
    t.equal(answer.statusCode, 204, payload)
  }
})

void t.test('a session is blocked, unblocked and ended', async (t) => {
  const { as, root, ann } = await open(t)
  const one = `/admin/sessions/${ann.sessionId}`
  t.equal((await as(root, 'POST', `${one}/block`, { reason: 'odd' })).statusCode, 204)
  t.equal((await as(ann, 'GET', '/auth/me')).statusCode, 401)
  t.match((await as(root, 'GET', `/admin/sessions?user=${ann.id}`)).json(), { sessions: [{ id: ann.sessionId, blocked: true, blockedReason: 'odd', current: false, user: { id: ann.id, email: 'ann@example.com', isAdmin: false, isDisabled: false } }], cursor: null })
  t.equal((await as(root, 'POST', `${one}/unblock`)).statusCode, 204)
  t.equal((await as(ann, 'GET', '/auth/me')).statusCode, 200)
  t.equal((await as(root, 'POST', `${one}/block`)).statusCode, 204, 'a reason may be left out')
  t.match((await as(root, 'POST', `${one}/block`, { because: 'x' })).json(), { status: 400, field: 'because' })
  t.match((await as(root, 'POST', `${one}/block`, { reason: 'a\nb' })).json(), { status: 400, field: 'reason' })
  t.equal((await as(root, 'DELETE', one)).statusCode, 204)
  t.equal((await as(root, 'DELETE', one)).statusCode, 404)
  t.equal((await as(ann, 'GET', '/auth/me')).statusCode, 401)
})

void t.test('a block is one statement: a session that is unblocked at once is not blocked again', async (t) => {
  const { as, root, ann } = await open(t)
  const sent: string[] = []
  const told: unknown[] = []
  const onQuery = (message: unknown): void => { sent.push((message as QueryMessage).operation) }
  const onBlocked = (message: unknown): void => { told.push(message) }
  subscribe('silverback:query', onQuery)
  subscribe('silverback:blocked', onBlocked)
  t.teardown(() => {
    unsubscribe('silverback:query', onQuery)
    unsubscribe('silverback:blocked', onBlocked)
  })
  t.equal((await as(root, 'POST', `/admin/sessions/${ann.sessionId}/block`, { reason: 'stolen' })).statusCode, 204)
  t.equal(sent.filter((operation) => operation === 'block').length, 1)
  t.match(told, [{ sessionId: ann.sessionId, reason: 'stolen' }])
  t.equal(told.length, 1)
})

void t.test('a block of what is blocked changes nothing and says so: one count, one event, the first reason, also of blocks at the same time', async (t) => {
  const { app, as, root, ann, pool, connectionString } = await open(t)
  const store = new PostgresStore({ connectionString })
  t.teardown(async () => { await store.close() })
  const visitor = await store.create(newSession())
  const block = async (id: string, reason: string) => await as(root, 'POST', `/admin/sessions/${id}/block`, { reason })
  t.strictSame([await block(ann.sessionId, 'first'), await block(ann.sessionId, 'second')].map(({ statusCode, headers }) => [statusCode, headers['x-blocked-already']]), [[204, undefined], [204, 'true']])
  t.match((await as(root, 'GET', `/admin/sessions?user=${ann.id}`)).json(), { sessions: [{ blockedReason: 'first' }] })
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map(async (reason) => await block(visitor.id, reason)))
  t.strictSame(answers.map(({ statusCode }) => statusCode), [204, 204, 204, 204])
  t.equal(answers.filter(({ headers }) => headers['x-blocked-already'] === undefined).length, 1)
  await app.close()
  const { rows } = await pool.query<{ session_id: string, reason: string }>("SELECT session_id, reason FROM session_events WHERE kind = 'blockedByAdmin' ORDER BY id")
  t.match(rows, [{ session_id: ann.sessionId, reason: 'first' }, { session_id: visitor.id, reason: /^[abcd]$/ }])
  t.strictSame((await pool.query("SELECT sum(value)::integer AS count FROM stats WHERE name = 'blocked'")).rows, [{ count: 2 }])
})

void t.test('a reason has at most 200 characters, and stands whole in the list and in the story', async (t) => {
  const { app, as, root, ann, pool } = await open(t)
  const block = async (reason: string) => await as(root, 'POST', `/admin/sessions/${ann.sessionId}/block`, { reason })
  t.match((await block('x'.repeat(201))).json(), { status: 400, code: 'ERR_VALIDATION', field: 'reason' })
  const longest = '\u{1f600}'.repeat(200)
  t.equal((await block(longest)).statusCode, 204)
  t.match((await as(root, 'GET', `/admin/sessions?user=${ann.id}`)).json(), { sessions: [{ blockedReason: longest }] })
  await app.close()
  t.strictSame((await pool.query("SELECT DISTINCT reason FROM session_events WHERE kind LIKE 'blocked%'")).rows, [{ reason: longest }])
})

void t.test('a user is signed out everywhere, disabled and enabled', async (t) => {
  const { app, as, root, ann } = await open(t)
  const login = async (): Promise<LightMyRequestResponse> => await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ann@example.com', password: PASSWORD } })
  const { access_token: token } = (await login()).json()
  t.equal((await as(root, 'POST', `/admin/users/${ann.id}/logout`)).statusCode, 204)
  t.equal((await as(ann, 'GET', '/auth/me')).statusCode, 401)
  t.equal((await app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } })).statusCode, 401)
  const again = { ...ann, cookie: cookieOf(await login()) }
  t.equal((await as(root, 'POST', `/admin/users/${ann.id}/disable`)).statusCode, 204)
  t.equal((await as(again, 'GET', '/auth/me')).statusCode, 401)
  t.equal((await login()).statusCode, 401)
  t.equal((await as(root, 'POST', `/admin/users/${ann.id}/disable`)).statusCode, 204, 'twice is once')
  t.equal((await as(root, 'POST', `/admin/users/${ann.id}/enable`)).statusCode, 204)
  t.equal((await login()).statusCode, 200)
})

void t.test('administrators cannot lock themselves out', async (t) => {
  const { as, root } = await open(t)
  t.match((await as(root, 'POST', `/admin/users/${root.id}/disable`)).json(), { status: 409, code: 'ERR_OWN_ACCOUNT' })
  t.match((await as(root, 'POST', `/admin/sessions/${root.sessionId}/block`)).json(), { status: 409, code: 'ERR_OWN_ACCOUNT' })
  t.equal((await as(root, 'GET', '/auth/me')).statusCode, 200)
})

void t.test('sessions are found by user, by a part of the e-mail address, by id and by network address', async (t) => {
  const { as, root, ann, connectionString } = await open(t)
  const store = new PostgresStore({ connectionString })
  t.teardown(async () => { await store.close() })
  const foreign = await store.create(newSession({ userId: 'of another application', clientIp: '2001:db8::9' }))
  const visitor = await store.create(newSession({ clientIp: '203.0.113.9' }))
  const ids = async (query: string): Promise<string[]> => (await as(root, 'GET', `/admin/sessions?${query}`)).json().sessions.map(({ id }: { id: string }) => id)
  t.strictSame(await ids(''), [root.sessionId, ann.sessionId, foreign.id, visitor.id].sort())
  t.strictSame(await ids(`user=${ann.id}`), [ann.sessionId])
  t.strictSame(await ids('user=of%20another%20application'), [foreign.id])
  t.strictSame(await ids('q=ANN@'), [ann.sessionId])
  t.strictSame(await ids('q=%25'), [], 'a wildcard is a character')
  t.strictSame(await ids(`q=${visitor.id.toUpperCase()}`), [visitor.id])
  t.strictSame(await ids('q=203.0.113.9'), [visitor.id])
  t.strictSame(await ids('q=2001:db8:0::9'), [foreign.id])
  t.match((await as(root, 'GET', `/admin/sessions?q=${visitor.id}`)).json().sessions, [{ user: null }])
  t.match((await as(root, 'GET', '/admin/sessions?q=2001:db8::9')).json().sessions, [{ user: { id: 'of another application', email: null } }])
  for (const [query, field] of [['cursor=x', 'cursor'], ['user=a&q=b', 'q'], ['q=%00', 'q'], ['limit=5', 'limit'], ['q=a&q=b', 'q']] as const) {
    t.match((await as(root, 'GET', `/admin/sessions?${query}`)).json(), { status: 400, code: 'ERR_VALIDATION', field }, query)
  }
})

void t.test('pages follow one another by a cursor, each session once, also while others begin', async (t) => {
  const { as, root, pool } = await open(t)
  await pool.query(`INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at)
    SELECT gen_random_uuid(), decode(md5(n::text) || md5(n::text), 'hex'), now() + interval '1 hour', now() + interval '1 day' FROM generate_series(1, 120) AS n`)
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const answer: { readonly sessions: { readonly id: string }[], readonly cursor: string | null } = (await as(root, 'GET', `/admin/sessions${cursor === '' ? '' : `?cursor=${cursor}`}`)).json()
    seen.push(...answer.sessions.map(({ id }) => id))
    t.ok(answer.sessions.length <= 50)
    cursor = answer.cursor
  }
  t.equal(new Set(seen).size, 122)
  t.equal(seen.length, 122)
  const text = (await as(root, 'GET', '/admin/sessions')).body
  t.notMatch(text, /secret|values|hash/i, 'no secret and no value is shown')
})
