import { hash } from '@node-rs/argon2'
import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { Argon2Hasher } from '../../src/service/users/password-hasher.js'
import { createLog } from '../../src/service/log.js'
import { HashQueue } from '../../src/service/users/hash-queue.js'
import { UserStore } from '../../src/service/users/user-store.js'
import { openPool } from '../../src/stores/postgres/pool.js'
import { Database } from '../../src/stores/postgres/query.js'
import { cookieOf, cookiesOf, openServiceOnPostgres } from '../helpers/service-app.js'
import type { ServiceOnPostgres, ServiceOptions } from '../helpers/service-app.js'
import { gate, until } from '../helpers/session-app.js'
import { CountingDatabase } from './counting-database.js'

const EMAIL = 'ann@example.com'
const PASSWORD = 'correct horse battery'
const OTHER = 'another horse altogether'

type Asked = Promise<LightMyRequestResponse>
interface Opened extends ServiceOnPostgres {
  post (path: string, payload: object, headers?: Record<string, string>): Asked
  get (path: string, headers?: Record<string, string>): Asked
  login (password?: string, email?: string): Asked
}

async function open (t: Test, options: ServiceOptions = {}): Promise<Opened> {
  const service = await openServiceOnPostgres(t, options)
  const post = async (url: string, payload: object, headers = {}): Asked => await service.app.inject({ method: 'POST', url, payload, headers })
  return {
    ...service,
    post,
    get: async (url, headers = {}) => await service.app.inject({ url, headers }),
    login: async (password = PASSWORD, email = EMAIL) => await post('/auth/login', { email, password, transport: 'none' })
  }
}

/** A service with one user, who is signed in nowhere. */
async function withUser (t: Test, options: ServiceOptions = {}): Promise<Opened & { readonly userId: string }> {
  const service = await open(t, options)
  const answer = await service.post('/auth/register', { email: EMAIL, password: PASSWORD, transport: 'none' })
  t.equal(answer.statusCode, 201, answer.body)
  await service.pool.query('DELETE FROM sessions')
  return { ...service, userId: answer.json().user.id }
}

/** Counts hashes, and lets a test act while one is verified. */
class WatchedHasher extends Argon2Hasher {
  hashes = 0
  verified = 0
  afterVerify: () => Promise<void> = async () => {}
  override async hash (password: string): Promise<string> { this.hashes++; return await super.hash(password) }
  override async verify (hashed: string | null, password: string): Promise<boolean> {
    this.verified++
    const isRight = await super.verify(hashed, password)
    await this.afterVerify()
    return isRight
  }
}

void t.test('P10: nobody is there at first, and nothing of a password is stored or told', async (t) => {
  let log = ''
  const { pool, post } = await open(t, { log: createLog('trace', { write (line) { log += line } }) })
  t.strictSame((await pool.query('SELECT * FROM users')).rows, [])
  const answer = await post('/auth/register', { email: 'Ann@Example.com', password: PASSWORD })
  t.match(answer.json(), { user: { email: 'Ann@Example.com', isAdmin: false } })
  t.strictSame(Object.keys(answer.json().user), ['id', 'email', 'isAdmin', 'createdAt', 'updatedAt'])
  const { rows } = await pool.query('SELECT * FROM users')
  t.match(rows, [{ email: 'Ann@Example.com', email_key: 'ann@example.com', password_hash: /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/ }])
  for (const text of [answer.body, log]) t.notOk(text.includes(PASSWORD) || text.includes('argon2id'))
  t.match(log, /"event":"registered"/, 'P12')
})

void t.test('A10: attack: a registration with fields of its own choice is refused', async (t) => {
  const { post, pool } = await open(t)
  for (const extra of [{ isAdmin: true }, { id: 'x' }, { role: 'admin' }, { emailVerified: true }, { is_admin: true }]) {
    t.match((await post('/auth/register', { email: EMAIL, password: PASSWORD, ...extra })).json(), { status: 400, code: 'ERR_VALIDATION', field: Object.keys(extra)[0] })
  }
  t.equal((await pool.query('SELECT 1 FROM users')).rowCount, 0)
})

void t.test('P01, P04, P07: passwords that are refused run no hash, whatever their size', async (t) => {
  const hasher = new WatchedHasher()
  const { post } = await open(t, { hasher })
  const before = hasher.hashes
  for (const [password, status, code] of [['short', 422, 'ERR_WEAK_PASSWORD'], ['password1234567', 422, 'ERR_WEAK_PASSWORD'], [EMAIL, 422, 'ERR_WEAK_PASSWORD'],
    ['silverback123456', 422, 'ERR_WEAK_PASSWORD'], ['x'.repeat(257), 400, 'ERR_VALIDATION'], ['x'.repeat(1_000_000), 413, 'ERR_TOO_LARGE']] as const) {
    t.match((await post('/auth/register', { email: EMAIL, password })).json(), { status, code })
    if (status !== 422) t.equal((await post('/auth/login', { email: EMAIL, password })).statusCode, status)
  }
  t.equal(hasher.hashes + hasher.verified, before)
})

void t.test('P03: a password signs in however its characters are composed', async (t) => {
  const { post, login } = await open(t)
  await post('/auth/register', { email: EMAIL, password: 'un café très ordinaire' })
  t.equal((await login('un cafe\u0301 tre\u0300s ordinaire')).statusCode, 200)
  t.equal((await login('un cafe tres ordinaire')).statusCode, 401)
})

void t.test('3A-13: of 10 registrations of one address at once, in any spelling, one makes a user, and none fails', async (t) => {
  const { post, pool } = await open(t)
  const spellings = ['ann@example.com', 'ANN@example.com', 'Ann@Example.com', 'ａnn@example.com', 'ann@EXAMPLE.com']
  const answers = await Promise.all([...spellings, ...spellings].map(async (email) => await post('/auth/register', { email, password: PASSWORD })))
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array.from({ length: 9 }, () => 409)])
  for (const { body } of answers.filter(({ statusCode }) => statusCode === 409)) t.match(JSON.parse(body), { code: 'ERR_USER_EXISTS' })
  t.equal((await pool.query('SELECT 1 FROM users')).rowCount, 1)
  t.equal((await pool.query('SELECT 1 FROM sessions')).rowCount, 1)
})

void t.test('6.2, P09: unknown, wrong and disabled get the same bytes, for the same statements and one hash', async (t) => {
  const hasher = new WatchedHasher()
  const { openNode, openPool, pool, post } = await withUser(t, { hasher })
  await post('/auth/register', { email: 'off@example.com', password: PASSWORD })
  await pool.query("UPDATE users SET disabled_at = now() WHERE email_key = 'off@example.com'")
  await pool.query("INSERT INTO users (email, email_key, password_hash) VALUES ('x@example.com', 'x@example.com', 'no hash')")
  const database = new CountingDatabase({ pool: openPool(), named: true })
  const node = await openNode({ database, hasher, env: { RATE_LIMIT: 'on' } })
  const seen: unknown[] = []
  for (const [email, password] of [[EMAIL, 'wrong horse battery'], ['nobody@example.com', PASSWORD], ['off@example.com', PASSWORD], ['off@example.com', 'wrong horse battery'], ['x@example.com', PASSWORD], [EMAIL, 'short']]) {
    database.labels.length = 0
    const before = { hashes: hasher.hashes, verified: hasher.verified }
    const { statusCode, body, headers } = await node.inject({ method: 'POST', url: '/auth/login', payload: { email, password } })
    const { date: _date, 'x-request-id': _id, ...rest } = headers
    t.strictSame({ hashes: hasher.hashes - before.hashes, verified: hasher.verified - before.verified }, { hashes: 0, verified: 1 }, `${email}: one hash`)
    seen.push({ statusCode, body, rest, labels: [...database.labels] })
  }
  t.match(seen[0], { statusCode: 401, labels: ['reserve', 'findUser'] })
  t.notOk(JSON.stringify(seen[0]).includes('set-cookie'))
  for (const other of seen.slice(1)) t.strictSame(other, seen[0])
})

void t.test('attack: a flood of guesses sends no query once as many wait as may, and reading goes on', async (t) => {
  let log = ''
  const hasher = new WatchedHasher(new HashQueue({ permits: 1, queue: 1 }))
  const { login, openNode, openPool } = await withUser(t)
  const cookie = cookieOf(await login())
  const database = new CountingDatabase({ pool: openPool({ max: 5 }), named: true })
  const node = await openNode({ database, hasher, env: { RATE_LIMIT: 'on' }, log: createLog('info', { write (line) { log += line } }) })
  const post = async (url: string, payload: object, headers = {}): Asked => await node.inject({ method: 'POST', url, payload, headers })
  const held = gate()
  hasher.afterVerify = async () => { if (hasher.verified <= 2) await held.opened }
  const first = [1, 2].map(async (i) => await post('/auth/login', { email: `n${i}@example.com`, password: PASSWORD }))
  await until(() => hasher.verified === 2, 'both places are taken')
  database.labels.length = 0
  const refused = [
    await post('/auth/login', { email: EMAIL, password: PASSWORD }),
    await post('/auth/register', { email: 'bob@example.com', password: PASSWORD }),
    await post('/auth/password', { current: PASSWORD, next: OTHER }, { cookie }),
    await post('/auth/reauthenticate', { password: PASSWORD }, { cookie })
  ]
  for (const answer of refused) {
    t.match(answer.json(), { status: 503, code: 'ERR_BUSY' })
    t.match(answer.headers, { 'retry-after': /^\d+$/ })
  }
  t.strictSame(database.labels, [], 'no query')
  t.equal((await node.inject({ url: '/auth/me', headers: { cookie } })).statusCode, 200)
  held.open()
  t.strictSame((await Promise.all(first)).map(({ statusCode }) => statusCode), [401, 401])
  t.equal((await post('/auth/login', { email: EMAIL, password: PASSWORD })).statusCode, 200, 'the places are free again')
  t.notMatch(log, /"level":50|"stack"/, 'a refusal is no error, and a flood of them no flood of stacks')
})

void t.test('P06: an old hash is made anew by a sign-in, also by several at once, and all of them hold', async (t) => {
  const { pool, login } = await withUser(t)
  const old = await hash(PASSWORD, { memoryCost: 12_288, timeCost: 3 })
  await pool.query('UPDATE users SET password_hash = $1', [old])
  t.equal((await login('wrong horse battery')).statusCode, 401)
  t.match((await pool.query('SELECT password_hash FROM users')).rows, [{ password_hash: old }], 'a wrong password changes nothing')
  const answers = await Promise.all(Array.from({ length: 5 }, async () => await login()))
  t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 200, 200, 200, 200])
  t.match((await pool.query('SELECT password_hash FROM users')).rows, [{ password_hash: /m=19456,t=2,p=1/ }])
  t.equal((await login()).statusCode, 200)
})

void t.test('P06: a hash that is made anew does not undo a password change in between', async (t) => {
  const hasher = new WatchedHasher()
  const { pool, login } = await withUser(t, { hasher })
  await pool.query('UPDATE users SET password_hash = $1', [await hash(PASSWORD, { memoryCost: 12_288, timeCost: 3 })])
  const changed = await hasher.hash(OTHER)
  hasher.afterVerify = async () => {
    hasher.afterVerify = async () => {}
    await pool.query("UPDATE users SET password_hash = $1, sessions_valid_after = sessions_valid_after + interval '1 second'", [changed])
  }
  t.equal((await login()).statusCode, 401)
  t.match((await pool.query('SELECT password_hash FROM users')).rows, [{ password_hash: changed }])
})

for (const [title, change, after] of [
  ['3A-14: a sign-in with the old password while it changes', async ({ post }: Opened, cookie: string) => await post('/auth/password', { current: PASSWORD, next: OTHER }, { cookie }), 1],
  ['3A-15: a sign-in while all sessions of the user are ended', async ({ post }: Opened, cookie: string) => await post('/auth/logout-all', {}, { cookie }), 0]
] as const) {
  void t.test(`${title} ends, whichever comes first`, async (t) => {
    for (const moment of ['before the session is stored', 'after it']) {
      const hasher = new WatchedHasher()
      const service = await withUser(t, { hasher })
      const cookie = cookieOf(await service.login())
      const act = async (): Promise<void> => {
        hasher.afterVerify = async () => {}
        const answer = await change(service, cookie)
        t.ok(answer.statusCode === 204 || answer.statusCode === 200, answer.body)
      }
      if (moment === 'after it') {
        const late = await service.login()
        t.equal(late.statusCode, 200)
        await act()
        t.equal((await service.get('/auth/me', { cookie: cookieOf(late) })).statusCode, 401, moment)
      } else {
        hasher.afterVerify = act
        const early = await service.login()
        t.equal(early.statusCode, 401, moment)
        t.equal(cookiesOf(early), '')
      }
      t.equal((await service.pool.query('SELECT 1 FROM sessions WHERE expires_at > now()')).rowCount, after, 'and no session of it is left')
    }
  })
}

void t.test('a sign-in ends that was checked before its user was disabled, logged out or deleted, in psql too', async (t) => {
  for (const sql of ['UPDATE users SET disabled_at = now()', "UPDATE users SET sessions_valid_after = now() + interval '1 second'", 'DELETE FROM users', 'TRUNCATE users']) {
    const hasher = new WatchedHasher()
    const { login, pool } = await withUser(t, { hasher })
    hasher.afterVerify = async () => { await pool.query(sql) }
    t.equal((await login()).statusCode, 401, sql)
    t.equal((await pool.query('SELECT 1 FROM sessions WHERE expires_at > now()')).rowCount, 0)
  }
})

void t.test('P11: a password change wants the current one, ends all other sessions and keeps this one under a new secret', async (t) => {
  const { login, post, get, userId, pool } = await withUser(t)
  const [here, there] = [cookieOf(await login()), cookieOf(await login())]
  t.match((await post('/auth/password', { current: 'wrong horse battery', next: OTHER }, { cookie: here })).json(), { status: 401, code: 'ERR_CREDENTIALS' })
  t.match((await post('/auth/password', { current: PASSWORD, next: 'password1234567' }, { cookie: here })).json(), { status: 422, code: 'ERR_WEAK_PASSWORD', field: 'next' })
  t.equal((await get('/auth/me', { cookie: there })).statusCode, 200)
  const changed = await post('/auth/password', { current: PASSWORD, next: OTHER }, { cookie: here })
  t.equal(changed.statusCode, 204)
  t.equal((await get('/auth/me', { cookie: cookieOf(changed) })).statusCode, 200)
  t.equal((await get('/auth/me', { cookie: here })).statusCode, 401, 'S06: who has copied the cookie has nothing')
  t.equal((await get('/auth/me', { cookie: there })).statusCode, 401)
  t.equal((await login()).statusCode, 401)
  t.equal((await login(OTHER)).statusCode, 200)
  const { rows: [row] } = await pool.query('SELECT updated_at > created_at AS moved FROM users WHERE id = $1', [userId])
  t.equal(row.moved, true)
})

void t.test('attack: a thief whose session cannot be ended in time: the password does not change, and the user is not disabled, either', async (t) => {
  const { pool, connectionString, openNode, userId, login, post, get } = await withUser(t)
  const { pool: own, close } = openPool(connectionString, { max: 2, pooler: false })
  t.teardown(close)
  const database = new Database({ pool: own, named: true })
  const node = await openNode({ database })
  const [thief, cookie] = [cookieOf(await login()), cookieOf(await login())]
  const holder = await pool.connect()
  await holder.query('BEGIN')
  await holder.query('SELECT 1 FROM sessions ORDER BY created_at LIMIT 1 FOR UPDATE')
  const answer = await node.inject({ method: 'POST', url: '/auth/password', payload: { current: PASSWORD, next: OTHER }, headers: { cookie } })
  await t.rejects(new UserStore(database).disable(userId), { code: 'ERR_STORE' })
  await holder.query('ROLLBACK')
  holder.release()
  t.equal(answer.statusCode, 503, answer.body)
  t.equal((await get('/auth/me', { cookie: thief })).statusCode, 200)
  t.equal((await login(OTHER)).statusCode, 401)
  t.equal((await login()).statusCode, 200, 'neither changed nor disabled')
  t.equal((await post('/auth/password', { current: PASSWORD, next: OTHER }, { cookie })).statusCode, 204, 'asked again')
  t.equal((await get('/auth/me', { cookie: thief })).statusCode, 401)
})

void t.test('A04: of two password changes at once with the same current one, one succeeds', async (t) => {
  const { login, post } = await withUser(t)
  const cookies = [cookieOf(await login()), cookieOf(await login())]
  const answers = await Promise.all(cookies.map(async (cookie, i) => await post('/auth/password', { current: PASSWORD, next: `${OTHER} ${i}` }, { cookie })))
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [204, 401])
  t.strictSame([(await login(`${OTHER} 0`)).statusCode, (await login(`${OTHER} 1`)).statusCode].sort(), [200, 401])
})

void t.test('a user who is deleted in psql has no session left, and their sessions’ cookies are strangers', async (t) => {
  const { login, get, pool, userId, post } = await withUser(t)
  await post('/auth/register', { email: 'bob@example.com', password: PASSWORD, transport: 'none' })
  const tokens = (await post('/auth/login', { email: EMAIL, password: PASSWORD })).json()
  const cookie = cookieOf(await login())
  await pool.query('DELETE FROM users WHERE id = $1', [userId])
  t.equal((await get('/auth/me', { cookie })).statusCode, 401)
  t.equal((await post('/auth/refresh', { refresh_token: tokens.refresh_token })).statusCode, 401)
  t.match((await pool.query('SELECT user_id FROM sessions')).rows, [{ user_id: /^(?!null)/ }], 'and others keep theirs')
})

void t.test('reauthentication wants the password of the user', async (t) => {
  const { login, post } = await withUser(t)
  const cookie = cookieOf(await login())
  t.equal((await post('/auth/reauthenticate', { password: 'wrong horse battery' }, { cookie })).statusCode, 401)
  t.equal((await post('/auth/reauthenticate', { password: PASSWORD }, { cookie })).statusCode, 204)
})

void t.test('ADMIN_EMAILS makes whoever registers the address administrator, and nobody else', async (t) => {
  const { post } = await open(t, { env: { ADMIN_EMAILS: 'Root@Example.com' } })
  t.match((await post('/auth/register', { email: 'root@example.COM', password: PASSWORD })).json(), { user: { isAdmin: true } })
  t.match((await post('/auth/register', { email: EMAIL, password: PASSWORD })).json(), { user: { isAdmin: false } })
})

void t.test('with the database away a sign-in is 503, and no session begins', async (t) => {
  const { login, pool } = await withUser(t)
  await pool.query('ALTER TABLE users RENAME TO elsewhere')
  t.match((await login()).json(), { status: 503, code: 'ERR_STORE' })
  t.equal((await pool.query('SELECT 1 FROM sessions')).rowCount, 0)
})

void t.test('the key set is public, may be kept by others, and costs no session', async (t) => {
  const { get, login } = await withUser(t)
  const { statusCode, headers, body } = await get('/.well-known/jwks.json', { cookie: cookieOf(await login()) })
  t.equal(statusCode, 200)
  t.match(headers, { 'cache-control': 'public, max-age=300', 'content-type': /^application\/json/ })
  t.match(JSON.parse(body), { keys: [{ kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' }] })
  t.notMatch(body, '"d"')
})

void t.test('3A-12: of 20 sign-ins at once under MAX_SESSIONS_PER_USER=3 three sessions are left', async (t) => {
  const { login, pool } = await withUser(t, { env: { MAX_SESSIONS_PER_USER: '3' } })
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await login()))
  t.ok(answers.every(({ statusCode }) => statusCode < 500), answers.map(({ statusCode }) => statusCode).join())
  t.equal((await pool.query('SELECT 1 FROM sessions WHERE expires_at > now()')).rowCount, 3)
})
