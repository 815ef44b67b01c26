import t from 'tap'
import type { Test } from 'tap'
import { EventLog } from '../../src/service/events/event-log.js'
import { storyOf } from '../../src/service/events/story.js'
import { createLog } from '../../src/service/log.js'
import { Database } from '../../src/stores/postgres/query.js'
import { keepLog } from '../helpers/events.js'
import { beginSession, cookieOf, openService, openServiceOnPostgres } from '../helpers/service-app.js'

const PASSWORD = 'correct horse battery'

async function open (t: Test, env: NodeJS.ProcessEnv = {}) {
  const lines: Record<string, unknown>[] = []
  const log = createLog('info', { write (line) { lines.push(JSON.parse(line)) } })
  const service = await openServiceOnPostgres(t, { log, env: { REFRESH_MIN_AGE: '0.02', REFRESH_STRAGGLER_WINDOW: '0.005', ...env } })
  const events = new EventLog({ database: new Database({ pool: service.pool, named: false }), log: keepLog() })
  t.teardown(async () => { await events.close() })
  const register = async (transport: string) => await service.app.inject({
    method: 'POST', url: '/auth/register', payload: { email: 'ann@example.com', password: PASSWORD, transport }, remoteAddress: '192.0.2.7', headers: { 'user-agent': 'curl/8.0' }
  })
  /** Of those that the service writes by itself, the first that fits. */
  const kindOf = async (kind: string) => {
    for (;;) {
      const { rows: [row] } = await service.pool.query('SELECT session_id, user_id, host(client_ip) AS client_ip, reason, generation FROM session_events WHERE kind = $1', [kind])
      if (row !== undefined) return row
      await new Promise((resolve) => { setTimeout(resolve, 20) })
    }
  }
  /** Once it is at least `expected`: counts are written bit by bit. */
  const statistic = async (name: string, expected: number): Promise<number> => {
    for (;;) {
      const { rows: [row] } = await service.pool.query('SELECT coalesce(sum(value), 0)::integer AS value FROM stats WHERE name = $1', [name])
      if (row.value >= expected) return row.value
      await new Promise((resolve) => { setTimeout(resolve, 20) })
    }
  }
  const audit = (event: string) => lines.filter((line) => line['event'] === event)
  return { ...service, events, register, kindOf, statistic, audit }
}

void t.test('a user who signs in and out by cookie leaves events, lines of the log and counts', async (t) => {
  const { app, events, register, kindOf, statistic, audit } = await open(t)
  const answer = await register('none')
  const { user, session } = answer.json()
  t.match(await kindOf('signedIn'), { session_id: session.id, user_id: user.id, client_ip: '192.0.2.7' })
  t.match(audit('signedIn'), [{ sessionId: session.id, userId: user.id, clientIp: '192.0.2.7', level: 30 }])
  t.equal((await app.inject({ method: 'DELETE', url: '/session', headers: { cookie: cookieOf(answer) } })).statusCode, 204)
  t.match(await kindOf('signedOut'), { session_id: session.id, user_id: user.id })
  const story = storyOf(await events.ofSession(session.id), await events.stateOf(session.id))
  t.match(story, { why: 'signed out by the user', lines: [{ text: 'the user signed in, with curl', clientIp: '192.0.2.7' }, { text: 'signed out by the user' }] })
  t.equal(await statistic('sign_ins', 1), 1)
  t.equal(await statistic('ended', 1), 1)
})

void t.test('the same with tokens: one end is counted once, with its reason', async (t) => {
  const { app, events, register, kindOf, statistic, audit } = await open(t)
  const { session, refresh_token: refresh } = (await register('body')).json()
  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', payload: { refresh_token: refresh } })).statusCode, 204)
  t.match(await kindOf('signedOut'), { session_id: session.id, reason: 'logout' })
  t.equal(audit('signedOut').length, 1)
  t.equal(await statistic('ended', 1), 1)
  t.equal(storyOf(await events.ofSession(session.id), await events.stateOf(session.id)).why, 'signed out by the user')
})

void t.test('lines of the log say whose session it was, which, from where and by which request', async (t) => {
  const { app, register, audit, kindOf } = await open(t)
  const from = { remoteAddress: '192.0.2.7' }
  const answer = await register('none')
  const { user, session } = answer.json()
  const known = { userId: user.id, clientIp: '192.0.2.7', reqId: /^[0-9a-f-]{36}$/ }
  t.match(audit('signedIn'), [{ ...known, sessionId: session.id, reqId: answer.headers['x-request-id'] }])
  t.equal((await app.inject({ ...from, method: 'POST', url: '/auth/logout', headers: { cookie: cookieOf(answer) } })).statusCode, 204)
  t.match(audit('signedOut'), [{ ...known, sessionId: session.id, reason: 'logout' }])
  t.match(await kindOf('signedOut'), { client_ip: '192.0.2.7' }, 'the story as well')
  const login = async (transport: string) => await app.inject({ method: 'POST', url: '/auth/login', payload: { email: 'ann@example.com', password: PASSWORD, transport } })
  t.equal((await app.inject({ ...from, method: 'DELETE', url: '/session', headers: { cookie: cookieOf(await login('none')) } })).statusCode, 204)
  t.match(audit('signedOut')[1], known)
  const { refresh_token: refresh, session: { id: sessionId } } = (await login('body')).json()
  t.equal((await app.inject({ ...from, method: 'POST', url: '/auth/revoke', payload: { refresh_token: refresh } })).statusCode, 204)
  t.match(audit('signedOut')[2], { sessionId, clientIp: '192.0.2.7', reqId: known.reqId, reason: 'revoked' })
})

void t.test('a session that ends because its browser signs in again says so', async (t) => {
  const { app, events, register, audit } = await open(t)
  const first = await register('none')
  const login = async (cookie: string) => await app.inject({ method: 'POST', url: '/auth/login', headers: { cookie }, payload: { email: 'ann@example.com', password: PASSWORD, transport: 'none' } })
  const again = await login(cookieOf(first))
  const { session: { id }, user } = first.json()
  t.match(audit('signedInAgain'), [{ sessionId: id, userId: user.id, reqId: again.headers['x-request-id'] }])
  await app.close()
  t.equal(storyOf(await events.ofSession(id), await events.stateOf(id)).why, 'ended because its browser signed in again')
})

void t.test('a session that ends because its user signed in elsewhere, and had as many as allowed, says so and is counted', async (t) => {
  const { app, events, register, audit, statistic } = await open(t, { MAX_SESSIONS_PER_USER: '1' })
  const { session: { id }, user } = (await register('none')).json()
  const elsewhere = await app.inject({
    method: 'POST', url: '/auth/login', payload: { email: 'ann@example.com', password: PASSWORD, transport: 'none' }, remoteAddress: '192.0.2.8', headers: { 'user-agent': 'curl/8.0' }
  })
  t.match(audit('evicted'), [{ level: 30, sessionId: id, userId: user.id, clientIp: '192.0.2.8', reqId: elsewhere.headers['x-request-id'] }])
  t.equal(audit('evicted').length, 1)
  t.match((await app.inject('/metrics')).body, 'silverback_sessions_ended_total{reason="evicted"} 1')
  t.equal(await statistic('ended', 1), 1)
  await app.close()
  const { why, lines } = storyOf(await events.ofSession(id), await events.stateOf(id))
  t.equal(why, 'ended because the user signed in elsewhere, and had as many sessions as allowed')
  t.match(lines.at(-1), { text: why, clientIp: '192.0.2.8' })
  t.equal(storyOf(await events.ofSession(elsewhere.json().session.id), await events.stateOf(elsewhere.json().session.id)).why, null)
})

void t.test('a visitor who ends their session is not told as a user who signed out', async (t) => {
  const { app, audit } = await open(t)
  for (const [method, url] of [['DELETE', '/session'], ['POST', '/auth/logout']] as const) {
    const cookie = await beginSession(app)
    t.equal((await app.inject({ method, url, headers: { cookie } })).statusCode, 204)
    t.strictSame(audit('signedOut'), [], url)
  }
})

void t.test('attack: a stolen refresh token is an alarm in the log, in the story and in the counts', async (t) => {
  const { app, events, register, kindOf, statistic, audit } = await open(t)
  const { session, refresh_token: first } = (await register('body')).json()
  const refresh = async (token: string) => await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token }, remoteAddress: '203.0.113.66' })
  const next = async (token: string): Promise<string> => {
    for (;;) {
      const { refresh_token: given } = (await refresh(token)).json()
      if (given !== undefined && given !== token) return given
    }
  }
  await next(await next(first))
  t.equal((await refresh(first)).json().code, 'ERR_TOKEN_REUSED')
  t.match(await kindOf('tokenReused'), { session_id: session.id, generation: 1, client_ip: '203.0.113.66' })
  t.match(audit('tokenReused'), [{ level: 40, sessionId: session.id, clientIp: '203.0.113.66' }])
  t.notMatch(JSON.stringify(audit('tokenReused')), first.slice(30, 60))
  t.equal(storyOf(await events.ofSession(session.id), await events.stateOf(session.id)).why, 'blocked: refresh_reuse')
  t.equal(await statistic('alarms', 1), 1)
  t.equal(await statistic('refresh_rotate', 2), 2)
  t.equal(await statistic('refresh_refused', 1), 1)
  t.equal(await statistic('blocked', 1), 1)
  const { body } = await app.inject('/metrics')
  t.match(body, 'silverback_alarms_total{kind="reuse"} 1')
  t.match(body, 'silverback_refresh_total{outcome="reuse"} 1')
})

void t.test('app.audit tells of an act in all places at once, with who did it; refusals leave no row', async (t) => {
  const { app, pool, kindOf, statistic, audit, register } = await open(t)
  const { user, session } = (await register('none')).json()
  const request = { ip: '192.0.2.9', headers: { 'user-agent': 'curl/8.0' }, log: app.log }
  app.audit.record(request, 'endedByAdmin', { sessionId: session.id, actorId: 'root', reason: 'odd' })
  app.audit.record(request, 'signInRefused')
  app.audit.record(request, 'registrationRefused')
  t.match(await kindOf('endedByAdmin'), { session_id: session.id, user_id: user.id, client_ip: '192.0.2.9', reason: 'odd' })
  t.match(await kindOf('registered'), { session_id: null, user_id: user.id })
  t.match(audit('endedByAdmin'), [{ level: 30, sessionId: session.id, actorId: 'root', clientIp: '192.0.2.9', reason: 'odd' }])
  t.match(audit('signInRefused'), [{ clientIp: '192.0.2.9' }])
  t.strictSame((await pool.query("SELECT kind FROM session_events WHERE kind LIKE '%Refused'")).rows, [])
  t.equal(await statistic('sign_ins_refused', 1), 1)
  t.equal(await statistic('registrations', 1), 1)
  t.match((await app.inject('/metrics')).body, 'silverback_sign_ins_total{outcome="refused"} 1')
})

void t.test('while the database is away requests are answered as fast, and closing takes no longer than the drain', async (t) => {
  const app = await openService(t)
  const startedAt = performance.now()
  for (let n = 0; n < 200; n++) app.audit.record(null, 'signedIn', { userId: 'ada' })
  t.ok(performance.now() - startedAt < 500)
  t.equal((await app.inject('/session')).statusCode, 200)
  const closing = performance.now()
  await app.close()
  t.ok(performance.now() - closing < 6_000)
})
