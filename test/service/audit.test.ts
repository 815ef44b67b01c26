import t from 'tap'
import { createLog } from '../../src/service/log.js'
import { kindsIn } from '../helpers/events.js'
import { cookieOf, openServiceOnPostgres } from '../helpers/service-app.js'

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
