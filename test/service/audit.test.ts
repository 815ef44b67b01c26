import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createLog } from '../../src/service/log.js'
import { kindsIn } from '../helpers/events.js'
import { cookieOf, openServiceOnPostgres } from '../helpers/service-app.js'
import { Visitor } from './visitor.js'

const EMAIL = 'ann@example.com'
const PASSWORD = 'correct horse battery'
const OTHER = 'another horse altogether'

void t.test('what users do to their account is told once in the log, and but for refusals becomes part of a story', async (t) => {
  const lines: Record<string, unknown>[] = []
  const { app, pool } = await openServiceOnPostgres(t, { log: createLog('info', { write (line) { lines.push(JSON.parse(line)) } }) })
  const told = (): unknown[] => lines.splice(0).filter(({ event }) => event !== undefined).map(({ event, sessionId, userId, reason }) => ({ event, sessionId, userId, reason }))
  const post = async (url: string, payload: object, cookie = '') => await app.inject({ method: 'POST', url: `/auth/${url}`, payload, headers: { cookie } })
  const login = async () => {
    const answer = await post('login', { email: EMAIL, password: PASSWORD, transport: 'none' })
    return { cookie: cookieOf(answer), id: String(answer.json().session.id) }
  }

  const { user, session } = (await post('register', { email: EMAIL, password: PASSWORD, transport: 'none' })).json()
  const userId = String(user.id)
  t.match(told(), [{ event: 'registered', userId }, { event: 'signedIn', userId, sessionId: session.id }])
  t.equal((await post('register', { email: EMAIL, password: PASSWORD, transport: 'none' })).statusCode, 409)
  t.equal((await post('login', { email: EMAIL, password: OTHER })).statusCode, 401)
  t.match(told(), [{ event: 'registrationRefused' }, { event: 'signInRefused' }])

  const here = await login()
  const there = await login()
  told()
  t.equal((await app.inject({ method: 'DELETE', url: `/auth/sessions/${there.id}`, headers: { cookie: here.cookie } })).statusCode, 204)
  t.match(told(), [{ event: 'endedByUser', userId, sessionId: there.id }])
  t.strictSame((await post('logout-others', {}, here.cookie)).json(), { ended: 1 })
  t.strictSame(told(), [{ event: 'endedByUser', userId, sessionId: undefined, reason: here.id }])
  t.equal((await post('reauthenticate', { password: OTHER }, here.cookie)).statusCode, 401)
  t.equal((await post('password', { current: OTHER, next: PASSWORD }, here.cookie)).statusCode, 401)
  t.match(told(), [{ event: 'passwordRefused', sessionId: here.id }, { event: 'passwordRefused', sessionId: here.id }])
  const renewed = await post('reauthenticate', { password: PASSWORD }, here.cookie)
  t.match(told(), [{ event: 'reauthenticated', userId, sessionId: here.id }])
  const changed = await post('password', { current: PASSWORD, next: OTHER }, cookieOf(renewed))
  t.equal(changed.statusCode, 204)
  const [passwordChanged, ...more] = told()
  t.match(passwordChanged, { event: 'passwordChanged', userId })
  t.strictSame(more, [], 'nothing is told of sessions that were not there')
  t.equal((await post('logout-all', {}, cookieOf(changed))).statusCode, 200)
  t.match(told(), [{ event: 'endedByUser', userId, sessionId: undefined, reason: undefined }])

  await app.close()
  const kinds = await kindsIn(pool)
  for (const kind of ['registered', 'signedIn', 'began', 'endedByUser', 'reauthenticated', 'passwordChanged', 'ended']) t.ok(kinds.includes(kind), kind)
  t.strictSame(kinds.filter((kind) => kind.endsWith('Refused')), [], 'what strangers can make as many of as they like is no row')
})

/** The service with its limits; what its log is told, since the last time that was asked. */
async function withLimits (t: Test) {
  const lines: Record<string, unknown>[] = []
  const service = await openServiceOnPostgres(t, { env: { RATE_LIMIT: 'on' }, log: createLog('info', { write (line) { lines.push(JSON.parse(line)) } }) })
  const told = (): Record<string, unknown>[] => lines.splice(0).filter(({ event }) => event === 'throttled')
  /** Asks until one is refused: what the log says of it. */
  const refusal = async (ask: () => Promise<LightMyRequestResponse>): Promise<Record<string, unknown>[]> => {
    told()
    for (;;) {
      const { statusCode, headers } = await ask()
      if (statusCode !== 429) continue
      const found = told()
      t.match(found, [{ level: 30, clientIp: /./, reqId: headers['x-request-id'] }])
      t.equal(found.length, 1)
      return found
    }
  }
  return { ...service, refusal }
}

void t.test('every refusal by a throttle is one line with the name of its limit, one count, and no row', async (t) => {
  const { app, pool, refusal } = await withLimits(t)
  const ask = async (method: 'POST' | 'PATCH', url: string, payload: object, cookie = '') => await app.inject({ method, url, payload, remoteAddress: '203.0.113.9', headers: { cookie } })
  const { user, session, refresh_token: refresh } = (await ask('POST', '/auth/register', { email: EMAIL, password: PASSWORD })).json()
  const signedIn = await ask('POST', '/auth/login', { email: EMAIL, password: PASSWORD, transport: 'none' })
  const [cookie, own] = [cookieOf(signedIn), { userId: user.id, sessionId: signedIn.json().session.id }]
  const expected = [
    [{ limit: 'device', ...own }, async () => await ask('POST', '/auth/reauthenticate', { password: OTHER }, cookie)],
    [{ limit: 'refresh', sessionId: session.id }, async () => await ask('POST', '/auth/refresh', { refresh_token: refresh })],
    [{ limit: 'write', ...own }, async () => await ask('PATCH', '/session', { set: { a: 1 } }, cookie)],
    [{ limit: 'pair' }, async () => await ask('POST', '/auth/login', { email: EMAIL, password: OTHER })],
    [{ limit: 'register' }, async () => await ask('POST', '/auth/register', { email: `${Math.random()}@example.com`, password: PASSWORD })],
    [{ limit: 'begin' }, async () => await ask('PATCH', '/session', { set: { a: 1 } })]
  ] as const
  for (const [line, again] of expected) {
    const found = await refusal(again)
    t.match(found, [{ clientIp: '203.0.113.9', ...line }])
    t.notMatch(JSON.stringify(found), /example\.com|horse|rt_/, 'neither a name nor a secret')
  }
  const { body } = await app.inject('/metrics')
  for (const [{ limit }] of expected) t.match(body, `silverback_throttled_total{limit="${limit}"} 1`)
  await app.close()
  t.equal((await pool.query("SELECT sum(value)::integer AS n FROM stats WHERE name = 'throttled'")).rows[0].n, expected.length)
  t.notOk((await kindsIn(pool)).includes('throttled'))
})

void t.test('a form that a throttle refuses is one line, too', async (t) => {
  const { app, refusal } = await withLimits(t)
  const visitor = new Visitor(app)
  t.match(await refusal(async () => await visitor.signIn(EMAIL, OTHER)), [{ limit: 'account' }])
})
