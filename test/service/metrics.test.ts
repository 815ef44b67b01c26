import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { readFamilies } from '../helpers/prometheus.js'
import type { Family } from '../helpers/prometheus.js'
import { beginSession, cookieOf, openService, openServiceOnPostgres } from '../helpers/service-app.js'

const PASSWORD = 'correct horse battery'

async function scrape (app: FastifyInstance): Promise<Map<string, Family>> {
  const answer = await app.inject('/metrics')
  if (answer.statusCode !== 200) throw new Error(`/metrics: ${answer.statusCode}`)
  return readFamilies(answer.body)
}

/** The sum of the samples that have all of these labels. */
function valueOf (families: Map<string, Family>, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const samples = [...families.values()].flatMap((family) => family.samples).filter((sample) => sample.name === `silverback_${name}`)
  return samples.filter((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text)).reduce((sum, { value }) => sum + value, 0)
}

void t.test('/metrics answers in the text format of Prometheus, before the service is ready, too, and without a session', async (t) => {
  const app = await openService(t, { readiness: { isReady: false, check: async () => ({ reasons: [], warnings: [] }) } })
  const answer = await app.inject({ url: '/metrics', headers: { cookie: 'sid=forged' } })
  t.match(answer, { statusCode: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store', 'set-cookie': undefined } })
  const families = readFamilies(answer.body)
  t.equal(valueOf(families, 'cookies_rejected_total'), 0, 'and nobody has looked at the cookie')
  t.equal(families.get('silverback_sessions_live')?.samples.length, 0, 'what is not known is not said')
  t.ok(families.has('process_cpu_seconds_total') && families.has('nodejs_eventloop_lag_p99_seconds'))
})

void t.test('METRICS=off: there is nothing', async (t) => {
  const app = await openService(t, { env: { METRICS: 'off' } })
  t.match((await app.inject('/metrics')).json(), { status: 404, code: 'ERR_NOT_FOUND' })
  t.equal((await app.inject('/session')).statusCode, 200)
})

void t.test('two services of one process have figures of their own', async (t) => {
  const [one, two] = [await openService(t), await openService(t)]
  await beginSession(one)
  await beginSession(one)
  t.equal(valueOf(await scrape(one), 'sessions_created_total'), 2)
  t.equal(valueOf(await scrape(two), 'sessions_created_total'), 0)
})

void t.test('what has never happened stands at 0, so that alerts see the first time', async (t) => {
  const families = await scrape(await openService(t))
  for (const [name, count] of [['alarms_total', 3], ['refresh_total', 12], ['sign_ins_total', 2], ['sessions_ended_total', 12], ['throttled_total', 13], ['cookies_rejected_total', 5], ['cache_hits_total', 1], ['events_dropped_total', 1]] as const) {
    t.strictSame(families.get(`silverback_${name}`)?.samples.map(({ value }) => value), Array.from({ length: count }, () => 0), name)
  }
})

void t.test('attack: no secret, id, address or URL of a request stands in a label, and a client cannot make labels', async (t) => {
  const { app } = await openServiceOnPostgres(t)
  const registered = await app.inject({ method: 'POST', url: '/auth/register', payload: { email: 'ann@example.com', password: PASSWORD }, remoteAddress: '203.0.113.9' })
  const { user, session, access_token: access, refresh_token: refresh } = registered.json()
  await app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${access}` } })
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: refresh } })
  await app.inject({ method: 'DELETE', url: `/auth/sessions/${session.id}`, headers: { authorization: `Bearer ${access}` } })
  await app.inject({ url: '/session', headers: { cookie: 'sid=forged' } })
  for (const n of [1, 2, 3]) {
    await app.inject(`/nothing/${n}?q=hunter2`)
    await app.inject({ method: 'DELETE', url: `/admin/sessions/${n}` })
    await app.inject(`/%zz${n}`)
  }
  const { body } = await app.inject('/metrics')
  for (const secret of [user.id, session.id, access, refresh, 'ann@', '203.0.113.9', 'hunter2', 'nothing', '/1', String(registered.cookies[0]?.value)]) t.notOk(body.includes(secret), secret)
  const requests = readFamilies(body).get('silverback_http_request_duration_seconds')?.samples ?? []
  t.ok(requests.some(({ labels }) => labels['route'] === 'none' && labels['status'] === '404'))
  t.ok(requests.some(({ labels }) => labels['route'] === '/auth/sessions/:id' && labels['method'] === 'DELETE' && labels['status'] === '204'))
  t.ok(requests.every(({ labels: { route = '' } }) => route === 'none' || app.hasRoute({ method: 'GET', url: route }) || ['POST', 'DELETE', 'PATCH'].some((method) => app.hasRoute({ method, url: route }))))
  const nowhere = requests.filter(({ name, labels }) => name.endsWith('_count') && labels['route'] === 'none')
  t.strictSame(nowhere.map(({ labels }) => labels['status']).sort(), ['400', '404'])
})

void t.test('sessions, sign-ins, tokens and statements are measured where they happen', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t)
  const register = await app.inject({ method: 'POST', url: '/auth/register', payload: { email: 'ann@example.com', password: PASSWORD } })
  const { access_token: access, refresh_token: refresh } = register.json()
  for (let n = 0; n < 3; n++) await app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${access}` } })
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: refresh } })
  await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: 'rt_nonsense' } })
  const cookies = await Promise.all([1, 2, 3].map(async () => await beginSession(app)))
  await Promise.all(cookies.map(async (cookie) => await app.inject({ url: '/session', headers: { cookie } })))
  const [cookie = ''] = cookies
  await app.inject({ url: '/session', headers: { cookie: 'sid=forged' } })
  await app.inject({ method: 'DELETE', url: '/session', headers: { cookie } })
  await app.inject({ method: 'POST', url: '/auth/logout', payload: { refresh_token: refresh } })
  await pool.query("UPDATE sessions SET expiry_bucket = 0, expires_at = now() - interval '1 hour'")
  await app.inject('/readyz')
  await new Promise((resolve) => { setImmediate(resolve) })
  const families = await scrape(app)
  for (const [name, labels, value] of [
    ['sessions_created_total', {}, 4],
    ['sign_ins_total', { outcome: 'passed' }, 1],
    ['sessions_ended_total', { reason: 'signed_out' }, 1],
    ['sessions_ended_total', { reason: 'visitor_left' }, 1],
    ['refresh_total', { outcome: 'early' }, 1],
    ['refresh_total', { outcome: 'forged' }, 1],
    ['cookies_rejected_total', { reason: 'forged' }, 1],
    ['cache_hits_total', {}, 2],
    ['cache_misses_total', {}, 1],
    ['feed_connected', {}, 1],
    ['store_errors_total', {}, 0],
    ['store_duration_seconds_count', { operation: 'rotateRefreshToken' }, 1],
    ['store_duration_seconds_count', { operation: 'addUser' }, 1],
    ['http_request_duration_seconds_count', { route: '/auth/me', method: 'GET', status: '200' }, 3]
  ] as const) t.equal(valueOf(families, name, labels), value, `${name} ${JSON.stringify(labels)}`)
  t.ok(valueOf(families, 'feed_lag_seconds') < 2)
  t.equal(valueOf(families, 'store_batch_size_sum', { kind: 'load' }), 7, 'three of /auth/me, three, and the one that was ended')
  await pool.query('ALTER TABLE sessions RENAME TO away')
  t.equal((await app.inject({ url: '/session', headers: { cookie } })).statusCode, 503)
  t.ok(valueOf(await scrape(app), 'store_errors_total', { operation: 'get' }) === 1)
})

void t.test('the cleanup of sessions and those that live are measured', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: { SESSION_CLEANUP_INTERVAL: '1', EVENT_RETENTION: '3600' } })
  await pool.query(`INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at)
    SELECT gen_random_uuid(), 'x', now() - interval '1 hour', now() FROM generate_series(1, 30)`)
  await pool.query("INSERT INTO session_events (at, user_id, kind) VALUES (now() - interval '2 hours', 'ada', 'signedIn')")
  await pool.query("INSERT INTO stats VALUES ('alarms', now() - interval '2 hours', 1)")
  while (valueOf(await scrape(app), 'cleanup_rows_total') < 30) await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.ok(valueOf(await scrape(app), 'cleanup_duration_seconds_count') >= 1)
  const left = async (): Promise<number> => (await pool.query('SELECT 1 FROM session_events UNION ALL SELECT 1 FROM stats WHERE bucket < now() - interval \'1 hour\'')).rows.length
  while (await left() > 0) await new Promise((resolve) => { setTimeout(resolve, 50) })
  t.equal(await left(), 0, 'what is older than EVENT_RETENTION goes in the same rhythm')
})

void t.test('the connections of each pool are told', async (t) => {
  const app = await openService(t, { pools: { sessions: { totalCount: 5, idleCount: 2, waitingCount: 7 } } })
  t.strictSame((await scrape(app)).get('silverback_pool_connections')?.samples.map(({ labels, value }) => [labels['pool'], labels['state'], value]),
    [['sessions', 'busy', 3], ['sessions', 'idle', 2], ['sessions', 'waiting', 7]])
})

void t.test('a request that is throttled is counted by its limit', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: { RATE_LIMIT: 'on' } })
  const login = async () => await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ann@example.com', password: PASSWORD }, remoteAddress: '203.0.113.9' })
  for (let status = 0; status !== 429;) status = (await login()).statusCode
  t.equal(valueOf(await scrape(app), 'throttled_total', { limit: 'pair' }), 1)
  t.equal(valueOf(await scrape(app), 'throttled_total'), 1)
  while ((await pool.query("SELECT 1 FROM stats WHERE name = 'throttled'")).rows.length === 0) await new Promise((resolve) => { setTimeout(resolve, 50) })
})

void t.test('each session that ends before its time is counted once, however many end with it', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: { ADMIN_EMAILS: 'root@example.com', MAX_SESSIONS_PER_USER: '5' } })
  const begin = async (door: string, email: string, cookie = '') => {
    const answer = await app.inject({ method: 'POST', url: `/auth/${door}`, payload: { email, password: PASSWORD, transport: 'none' }, headers: { cookie } })
    return { id: String(answer.json().user.id), sessionId: String(answer.json().session.id), cookie: cookieOf(answer) }
  }
  const as = async ({ cookie }: { readonly cookie: string }, method: 'POST' | 'DELETE', url: string, payload?: object) => await app.inject({ method, url, headers: { cookie }, ...(payload !== undefined && { payload }) })
  const seen = new Map<string, number>()
  /** By reason, since the last time this was asked. */
  const ended = async (): Promise<Record<string, number>> => {
    const now = (await scrape(app)).get('silverback_sessions_ended_total')?.samples.map(({ labels, value }) => [labels['reason'] ?? '', value] as const) ?? []
    const more = now.map(([reason, value]) => [reason, value - (seen.get(reason) ?? 0)] as const).filter(([, value]) => value > 0)
    for (const [reason, value] of now) seen.set(reason, value)
    return Object.fromEntries(more)
  }
  const root = await begin('register', 'root@example.com')
  const ann = await begin('register', 'ann@example.com')
  await begin('login', 'ann@example.com')
  await begin('login', 'ann@example.com')
  t.equal((await as(ann, 'POST', '/auth/password', { current: PASSWORD, next: 'another horse altogether' })).statusCode, 204)
  t.strictSame(await ended(), { password_changed: 2 }, 'all others')
  t.equal((await as(root, 'POST', `/admin/users/${ann.id}/disable`)).statusCode, 204)
  t.strictSame(await ended(), { disabled: 1 }, 'the one that was left')
  const bob = await begin('register', 'bob@example.com')
  t.equal((await as(bob, 'DELETE', `/auth/sessions/${bob.sessionId}`)).statusCode, 204)
  t.strictSame(await ended(), { signed_out: 1 }, 'the own one, from the list')
  t.equal((await as(await begin('login', 'bob@example.com'), 'POST', '/auth/logout')).statusCode, 204)
  t.equal((await as(await begin('login', 'bob@example.com'), 'DELETE', '/session')).statusCode, 204)
  t.strictSame(await ended(), { signed_out: 2 })
  t.equal((await as({ cookie: await beginSession(app) }, 'DELETE', '/session')).statusCode, 204)
  t.equal((await as({ cookie: await beginSession(app) }, 'POST', '/auth/logout')).statusCode, 204)
  t.strictSame(await ended(), { visitor_left: 2 }, 'a visitor does not sign out')
  const one = await begin('login', 'bob@example.com', await beginSession(app))
  t.strictSame(await ended(), { visitor_signed_in: 1 })
  const two = await begin('login', 'bob@example.com', one.cookie)
  t.strictSame(await ended(), { signed_in_again: 1 })
  const three = await begin('login', 'bob@example.com')
  t.equal((await as(three, 'DELETE', `/auth/sessions/${two.sessionId}`)).statusCode, 204)
  const four = await begin('login', 'bob@example.com')
  t.equal((await as(four, 'POST', '/auth/logout-others')).statusCode, 200)
  t.equal((await as(four, 'POST', '/auth/logout-all')).statusCode, 200)
  t.strictSame(await ended(), { ended_by_user: 3 })
  const five = await begin('login', 'bob@example.com')
  t.equal((await as(root, 'DELETE', `/admin/sessions/${five.sessionId}`)).statusCode, 204)
  await begin('login', 'bob@example.com')
  t.equal((await as(root, 'POST', `/admin/users/${bob.id}/logout`)).statusCode, 204)
  t.strictSame(await ended(), { ended_by_admin: 2 })
  const { refresh_token: refresh } = (await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'bob@example.com', password: PASSWORD } })).json()
  for (let twice = 0; twice < 2; twice++) t.equal((await app.inject({ method: 'POST', url: '/auth/revoke', payload: { refresh_token: refresh } })).statusCode, 204)
  t.strictSame(await ended(), { revoked: 1 })
  for (let n = 0; n < 7; n++) await begin('login', 'bob@example.com')
  t.strictSame(await ended(), { evicted: 2 })
  await pool.query("UPDATE sessions SET \"values\" = '5' WHERE user_id = $1", [root.id])
  t.equal((await as(root, 'DELETE', '/session')).statusCode, 204)
  t.strictSame(await ended(), { corrupt: 1 })
  await app.close()
  t.equal((await pool.query("SELECT sum(value)::integer AS n FROM stats WHERE name = 'ended'")).rows[0].n, [...seen.values()].reduce((sum, value) => sum + value), 'and the same in the plots')
})
