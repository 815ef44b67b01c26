import { randomBytes } from 'node:crypto'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t from 'tap'
import type { AuditedRequest } from '../../src/service/events/audit.js'
import { createLog } from '../../src/service/log.js'
import { LIMITS } from '../../src/service/throttle/limits.js'
import { Throttle } from '../../src/service/throttle/throttle.js'
import { HashQueue } from '../../src/service/users/hash-queue.js'
import { Argon2Hasher } from '../../src/service/users/password-hasher.js'
import { migrateUp } from '../../src/service/database/migrations.js'
import { Database } from '../../src/stores/postgres/query.js'
import { freshDatabase } from '../helpers/database.js'
import { cookieOf, cookiesOf, openService, openServiceOnPostgres, PRODUCTION } from '../helpers/service-app.js'
import { CountingDatabase } from './counting-database.js'

const EMAIL = 'ann@example.com'
const PASSWORD = 'correct horse battery'
const WRONG = 'wrong horse battery'
const ON = { RATE_LIMIT: 'on' }
const HERE = '203.0.113.1'
const REQUEST: AuditedRequest = { ip: HERE, headers: {}, log: createLog('silent') }
/** For a throttle without an application. */
const UNHEARD = { record () {} }

/** Moves the time of all counted attempts. */
const ago = (seconds: number): string => `UPDATE throttle SET next_at = next_at - interval '${seconds} seconds', expires_at = expires_at - interval '${seconds} seconds'`

async function login (app: FastifyInstance, { email = EMAIL, password = PASSWORD, from = HERE, cookie = '' } = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url: '/auth/login', payload: { email, password, transport: 'none' }, remoteAddress: from, headers: cookie === '' ? {} : { cookie } })
}

const register = async (app: FastifyInstance, email = EMAIL, from = '127.0.0.1'): Promise<LightMyRequestResponse> =>
  await app.inject({ method: 'POST', url: '/auth/register', payload: { email, password: PASSWORD, transport: 'none' }, remoteAddress: from })

class CountingHasher extends Argon2Hasher {
  verified = 0
  override async verify (hashed: string | null, password: string): Promise<boolean> {
    this.verified++
    return await super.verify(hashed, password)
  }
}

void t.test('attack: of 200 wrong guesses at once, over two nodes and many networks, five reach the hasher', async (t) => {
  const hasher = new CountingHasher(new HashQueue({ queue: 200 })) // so that all of them have a place
  const { app, openNode } = await openServiceOnPostgres(t, { env: ON, hasher })
  const other = await openNode()
  await register(app)
  const answers = await Promise.all(Array.from({ length: 200 }, async (_, i) => await login(i % 2 === 0 ? app : other, { password: `${WRONG} ${i}`, from: `198.51.100.${i}` })))
  t.equal(hasher.verified, 5)
  t.equal(answers.filter(({ statusCode }) => statusCode === 401).length, 5)
  t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 195)
})

void t.test('after five failures the pause doubles from one second to fifteen minutes, for names that do not exist, too', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  await register(app)
  for (const email of [EMAIL, 'nobody@example.com']) {
    const waits: number[] = []
    for (let failure = 0; failure < 16; failure++) {
      t.equal((await login(app, { email, password: WRONG, from: `198.51.100.${failure}` })).statusCode, 401)
      const refused = failure < 4 ? null : await login(app, { email, from: '198.51.100.99' })
      if (refused !== null) waits.push(Number(refused.headers['retry-after']))
      if (failure >= 4) await pool.query(ago(901))
    }
    t.strictSame(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900], email)
    await pool.query('DELETE FROM throttle')
  }
})

void t.test('a right password during the pause gets the same 429 as a wrong one, and every cause the same body', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  await register(app)
  for (let i = 0; i < 5; i++) await login(app, { password: WRONG, from: `198.51.100.${i}` })
  await pool.query("UPDATE throttle SET next_at = now() + interval '1 minute' WHERE doubles")
  const [right, wrong, unknown] = [await login(app), await login(app, { password: WRONG }), await login(app, { email: 'nobody@example.com', from: '198.51.100.0' })]
  t.match(right, { statusCode: 429, headers: { 'retry-after': /^\d+$/ } })
  t.match(right.json(), { code: 'ERR_THROTTLED' })
  t.equal(wrong.body, right.body)
  t.equal(unknown.statusCode, 401, 'another name is another count')
  for (let i = 0; i < 20; i++) await login(app, { email: `n${i}@example.com`, password: WRONG, from: '198.51.100.200' })
  t.equal((await login(app, { email: 'n99@example.com', from: '198.51.100.200' })).body, right.body)
  t.equal((await pool.query("SELECT 1 FROM sessions WHERE user_id IS NOT NULL AND created_at > now() - interval '1 second' AND client_ip = '203.0.113.1'")).rowCount, 0)
})

void t.test('P08: a sign-in takes its count back and forgets the failures of the account; those of the network stay', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  await register(app)
  for (let i = 0; i < 4; i++) await login(app, { password: WRONG })
  t.equal((await login(app)).statusCode, 200)
  t.strictSame((await pool.query('SELECT count, most FROM throttle ORDER BY most')).rows, [{ count: 4, most: 5 }, { count: 4, most: 20 }, { count: 1, most: 60 }], 'pair and network, without the sign-in; no account; a session that has begun')
})

void t.test('20 failures in ten minutes shut a network out: an IPv4 address, a /64, and 80 a /48', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  const fail = async (from: string, i: number): Promise<number> => (await login(app, { email: `n${i}@example.com`, password: WRONG, from })).statusCode
  for (let i = 0; i < 20; i++) t.equal(await fail(HERE, i), 401)
  t.equal(await fail(HERE, 20), 429)
  t.equal(await fail(`::ffff:${HERE}`, 21), 429, 'the same address within IPv6')
  t.equal(await fail('203.0.113.2', 22), 401, 'a neighbour is another network')
  await pool.query(ago(601))
  t.equal(await fail(HERE, 23), 401, 'ten minutes later it may try again')
  for (let i = 0; i < 80; i++) await fail(`2001:db8:1:${(i % 4).toString(16)}::${i.toString(16)}`, 100 + i)
  t.equal(await fail('2001:db8:1:1::ffff', 200), 429, 'the /64')
  t.equal(await fail('2001:db8:1:9::1', 201), 429, 'another /64 of the /48')
  t.equal(await fail('2001:db8:2:9::1', 202), 401, 'another /48')
})

void t.test('what one key refuses counts under no other', async (t) => {
  const { connectionString, pool, openPool } = await freshDatabase(t, { prepare: migrateUp })
  t.ok(connectionString)
  const throttle = new Throttle({ database: new Database({ pool: openPool(), named: true }), audit: UNHEARD, key: randomBytes(32) })
  const once = { name: 'once', most: 1, seconds: 60, doubles: false }
  await throttle.reserve([{ limit: once, of: 'a' }], REQUEST)
  await t.rejects(throttle.reserve([{ limit: once, of: 'a' }, { limit: LIMITS.pair, of: 'b' }, { limit: LIMITS.account, of: 'c' }], REQUEST), { statusCode: 429, code: 'ERR_THROTTLED' })
  t.strictSame((await pool.query('SELECT count, most FROM throttle ORDER BY count')).rows.map(({ count }) => count), [0, 0, 1])
})

void t.test('of 300 attempts at once under keys in any order as many pass as are free, and none deadlocks', async (t) => {
  const { pool, openPool } = await freshDatabase(t, { prepare: migrateUp })
  const nodes = [1, 2].map(() => new Throttle({ database: new Database({ pool: openPool({ max: 10 }), named: true }), audit: UNHEARD, key: Buffer.alloc(32, 7) }))
  const limit = { name: 'x', most: 50, seconds: 60, doubles: false }
  const keys = ['a', 'b', 'c', 'd'].map((of) => ({ limit, of }))
  const outcomes = await Promise.allSettled(Array.from({ length: 300 }, async (_, i) => await nodes[i % 2]?.reserve(i % 3 === 0 ? keys : keys.toReversed(), REQUEST)))
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 50)
  for (const outcome of outcomes) if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'ERR_THROTTLED' })
  t.equal((await pool.query('SELECT deadlocks::integer AS n FROM pg_stat_database WHERE datname = current_database()')).rows[0].n, 0)
})

void t.test('attack: 500 wrong guesses from elsewhere do not keep the owner out on a device that is known', async (t) => {
  const { app } = await openServiceOnPostgres(t, { env: ON })
  const device = cookiesOf(await register(app)).split('; ').find((pair) => pair.startsWith('kd=')) ?? ''
  t.match(device, /^kd=[\w-]{64}$/)
  for (let i = 0; i < 500; i += 50) {
    await Promise.all(Array.from({ length: 50 }, async (_, j) => await login(app, { password: `${WRONG} ${i + j}`, from: `198.51.${j}.${i / 50}` })))
  }
  t.equal((await login(app, { from: '192.0.2.1' })).statusCode, 429, 'a stranger with the right password waits')
  t.equal((await login(app, { from: '192.0.2.1', cookie: device })).statusCode, 200)
  t.equal((await login(app, { from: '192.0.2.2', cookie: `${device}x` })).statusCode, 429, 'a device that is made up is none')
})

void t.test('in production the cookie of a known device is __Host-kd, Secure and out of reach of scripts', async (t) => {
  const { app } = await openServiceOnPostgres(t, { env: { ...PRODUCTION, ...ON, TRUST_PROXY: 'loopback' } })
  const headers = { 'x-forwarded-proto': 'https', host: 'app.example.com' }
  const answer = await app.inject({ method: 'POST', url: '/auth/register', payload: { email: EMAIL, password: PASSWORD }, headers })
  t.match([answer.headers['set-cookie']].flat().join('\n'), /^__Host-kd=[\w-]{64}; Max-Age=34560000; Path=\/; HttpOnly; Secure; SameSite=Lax$/m)
})

void t.test('attack: a known device has five guesses of its own, and is known to one account', async (t) => {
  const hasher = new CountingHasher()
  const { app } = await openServiceOnPostgres(t, { env: ON, hasher })
  const device = cookiesOf(await register(app)).split('; ').find((pair) => pair.startsWith('kd=')) ?? ''
  await register(app, 'bob@example.com')
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, i) => await login(app, { password: `${WRONG} ${i}`, cookie: device })))
  t.equal(answers.filter(({ statusCode }) => statusCode === 401).length, 5)
  hasher.verified = 0
  for (let i = 0; i < 30; i++) await login(app, { email: 'bob@example.com', password: `${WRONG} ${i}`, from: `198.51.100.${i}`, cookie: device })
  t.equal(hasher.verified, 5, 'to another account it is a stranger’s')
})

void t.test('attack: with a session that was stolen five passwords are guessed, from however many networks', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  const cookie = cookieOf(await register(app))
  const guess = async (path: string, payload: object, i: number): Promise<number> => (await app.inject({ method: 'POST', url: path, payload, headers: { cookie }, remoteAddress: `198.51.100.${i}` })).statusCode
  for (let i = 0; i < 3; i++) t.equal(await guess('/auth/password', { current: `${WRONG} ${i}`, next: 'another horse altogether' }, i), 401)
  for (let i = 0; i < 2; i++) t.equal(await guess('/auth/reauthenticate', { password: `${WRONG} ${i}` }, i), 401)
  t.equal(await guess('/auth/reauthenticate', { password: PASSWORD }, 9), 429)
  t.equal(await guess('/auth/password', { current: PASSWORD, next: 'another horse altogether' }, 9), 429)
  t.equal((await pool.query('SELECT 1 FROM throttle')).rowCount, 1, 'they count against the session alone')
  t.equal((await login(app)).statusCode, 200, 'and keep nobody else out')
})

void t.test('attack: wrong guesses from elsewhere do not keep an owner who is signed in from proving who they are', async (t) => {
  const { app } = await openServiceOnPostgres(t, { env: ON })
  const { access_token: token } = (await app.inject({ method: 'POST', url: '/auth/register', payload: { email: EMAIL, password: PASSWORD } })).json()
  for (let i = 0; i < 6; i++) await login(app, { password: WRONG, from: `198.51.100.${i}` })
  for (let i = 0; i < 20; i++) await login(app, { email: `n${i}@example.com`, password: WRONG })
  t.equal((await login(app, { from: '192.0.2.1' })).statusCode, 429, 'the account is slowed down')
  const post = async (url: string, payload: object): Promise<number> =>
    (await app.inject({ method: 'POST', url, payload, headers: { authorization: `Bearer ${token}` }, remoteAddress: HERE })).statusCode
  t.equal(await post('/auth/reauthenticate', { password: WRONG }), 401)
  t.equal(await post('/auth/reauthenticate', { password: PASSWORD }), 204)
  t.equal(await post('/auth/password', { current: PASSWORD, next: 'another horse altogether' }), 204)
})

void t.test('attack: beyond the limits of a network no password is judged, which takes longer than to refuse', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  const weak = async (): Promise<number> => (await app.inject({ method: 'POST', url: '/auth/register', payload: { email: EMAIL, password: 'password1234567' }, remoteAddress: HERE })).statusCode
  for (let i = 0; i < 6; i++) t.equal(await weak(), 422, 'who is told to choose another one may')
  for (let i = 0; i < 5; i++) await register(app, `n${i}@example.com`, HERE)
  t.equal(await weak(), 429)
  const cookie = cookieOf(await register(app))
  const change = async (current: string): Promise<number> => (await app.inject({ method: 'POST', url: '/auth/password', payload: { current, next: 'password1234567' }, headers: { cookie } })).statusCode
  t.equal(await change(PASSWORD), 422)
  for (let i = 0; i < 5; i++) t.equal(await change(WRONG), 401)
  t.equal(await change(WRONG), 429)
  t.equal((await pool.query('SELECT 1 FROM users')).rowCount, 6)
})

void t.test('a network registers five users an hour', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  for (let i = 0; i < 5; i++) t.equal((await register(app, `n${i}@example.com`, HERE)).statusCode, 201)
  t.equal((await register(app, 'n5@example.com', HERE)).statusCode, 429)
  t.equal((await register(app, 'n5@example.com', '203.0.113.2')).statusCode, 201)
  await pool.query(ago(3_601))
  t.equal((await register(app, 'n6@example.com', HERE)).statusCode, 201)
})

void t.test('strangers begin 60 sessions a minute from one network; a session is written 600 times', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  const patch = async (cookie = '', payload: object = { set: { a: 1 } }): Promise<LightMyRequestResponse> =>
    await app.inject({ method: 'PATCH', url: '/session', payload, headers: cookie === '' ? {} : { cookie }, remoteAddress: HERE })
  const [first] = await Promise.all(Array.from({ length: 60 }, async () => await patch()))
  t.match((await patch()).json(), { status: 429, code: 'ERR_THROTTLED' })
  t.equal((await patch('', {})).statusCode, 200, 'what makes no row is not counted')
  t.equal((await pool.query('SELECT 1 FROM sessions')).rowCount, 60)
  const cookie = first === undefined ? '' : cookieOf(first)
  t.equal((await patch(cookie)).statusCode, 200, 'who has a session goes on')
  await pool.query('UPDATE throttle SET count = 600, next_at = expires_at WHERE most = 600')
  t.equal((await patch(cookie)).statusCode, 429)
  t.equal((await app.inject({ method: 'DELETE', url: '/session', headers: { cookie }, remoteAddress: HERE })).statusCode, 204, 'and can always be ended')
})

void t.test('sign-ins and registrations count among the 60 sessions that begin in a minute from one network', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  await register(app)
  t.equal((await login(app)).statusCode, 200)
  await register(app, 'bob@example.com', HERE)
  t.match((await pool.query('SELECT count FROM throttle WHERE most = 60')).rows, [{ count: 2 }])
  await pool.query('UPDATE throttle SET count = 60, next_at = expires_at WHERE most = 60')
  const rows = (await pool.query('SELECT 1 FROM sessions')).rowCount
  t.match((await login(app)).json(), { status: 429, code: 'ERR_THROTTLED' })
  t.equal((await login(app, { password: WRONG })).statusCode, 401)
  t.equal((await register(app, 'eve@example.com', HERE)).statusCode, 429)
  t.equal((await pool.query('SELECT 1 FROM sessions')).rowCount, rows)
  t.equal((await pool.query("SELECT 1 FROM users WHERE email = 'eve@example.com'")).rowCount, 0, 'who cannot be signed in is not registered')
  t.equal((await app.inject({ method: 'PATCH', url: '/session', payload: { set: { a: 1 } }, remoteAddress: HERE })).statusCode, 429)
  t.equal((await login(app, { from: '203.0.113.2' })).statusCode, 200)
  await pool.query(ago(61))
  t.equal((await login(app)).statusCode, 200)
})

void t.test('attack: a port after the address, or nonsense in its place, is no other network', async (t) => {
  const { app } = await openServiceOnPostgres(t, { env: { ...ON, TRUST_PROXY: 'loopback' } })
  let name = 0
  const fail = async (forwarded: string): Promise<number> => (await app.inject({
    method: 'POST', url: '/auth/login', payload: { email: `n${name++}@example.com`, password: WRONG }, headers: { 'x-forwarded-for': forwarded }
  })).statusCode
  for (const told of [(i: number) => `${HERE}:${1_000 + i}`, (i: number) => `nonsense-${i}`]) {
    for (let i = 0; i < 20; i++) t.equal(await fail(told(i)), 401)
    t.equal(await fail(told(20)), 429)
  }
  t.equal(await fail(HERE), 429)
})

void t.test('attack: forged refresh tokens are refused without a query, from a network that is counted, and with the database away', async (t) => {
  const { openNode, openPool } = await openServiceOnPostgres(t, { env: ON })
  const database = new CountingDatabase({ pool: openPool(), named: true })
  for (const app of [await openNode({ database }), await openService(t, { env: ON })]) {
    for (const token of ['rt_forged', `rt_${randomBytes(89).toString('base64url')}`]) {
      const answer = await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token }, remoteAddress: HERE })
      t.match(answer.json(), { status: 401, code: 'ERR_TOKEN_INVALID' })
    }
  }
  t.strictSame(database.labels, [])
})

void t.test('a network refreshes 300 times a minute, and a token that is refused so is not consumed', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  const { refresh_token: token } = (await app.inject({ method: 'POST', url: '/auth/register', payload: { email: EMAIL, password: PASSWORD } })).json()
  const refresh = async (): Promise<LightMyRequestResponse> => await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token }, remoteAddress: HERE })
  t.equal((await refresh()).statusCode, 200)
  await pool.query('UPDATE throttle SET count = 300, next_at = expires_at WHERE most = 300')
  t.match((await refresh()).json(), { status: 429, code: 'ERR_THROTTLED' })
  await pool.query(ago(61))
  t.equal((await refresh()).statusCode, 200)
})

void t.test('a lineage rotates 120 times a minute; answers that rotate nothing do not count', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: { ...ON, REFRESH_MIN_AGE: '0.005', REFRESH_STRAGGLER_WINDOW: '0.002' } })
  let { refresh_token: token } = (await app.inject({ method: 'POST', url: '/auth/register', payload: { email: EMAIL, password: PASSWORD } })).json()
  const refresh = async (): Promise<LightMyRequestResponse> => await app.inject({ method: 'POST', url: '/auth/refresh', payload: { refresh_token: token } })
  const rotate = async (): Promise<void> => {
    await pool.query("UPDATE refresh_tokens SET delivered_at = delivered_at - interval '1 second'")
    const rotated = (await refresh()).json().refresh_token
    t.type(rotated, 'string')
    t.equal((await refresh()).json().refresh_token, rotated, 'the same again: nothing rotates')
    token = rotated
  }
  const count = async (): Promise<number> => (await pool.query('SELECT count FROM throttle WHERE most = 120')).rows[0]?.count ?? 0
  for (let i = 1; i <= 3; i++) {
    await rotate()
    while (await count() < i) await new Promise((resolve) => { setImmediate(resolve) })
  }
  t.equal(await count(), 3)
  await pool.query('UPDATE throttle SET count = 119 WHERE most = 120')
  await pool.query("UPDATE refresh_tokens SET delivered_at = delivered_at - interval '1 second'")
  token = (await refresh()).json().refresh_token
  while (await count() < 120) await new Promise((resolve) => { setImmediate(resolve) })
  t.match((await refresh()).json(), { status: 429, code: 'ERR_THROTTLED' })
  await pool.query(ago(61))
  await rotate()
})

void t.test('outside production loopback is exempt from limits by address, and from no other', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: ON })
  for (let i = 0; i < 21; i++) t.equal((await login(app, { email: `n${i}@example.com`, password: WRONG, from: '127.0.0.1' })).statusCode, 401)
  t.equal((await pool.query('SELECT 1 FROM throttle WHERE NOT doubles')).rowCount, 0)
  for (let i = 0; i < 4; i++) await login(app, { email: 'n0@example.com', password: WRONG, from: '::1' })
  t.equal((await login(app, { email: 'n0@example.com', from: '127.0.0.1' })).statusCode, 429)
})

void t.test('RATE_LIMIT=off counts nothing', async (t) => {
  const { app, pool } = await openServiceOnPostgres(t, { env: { RATE_LIMIT: 'off' } })
  for (let i = 0; i < 8; i++) t.equal((await login(app, { password: WRONG })).statusCode, 401)
  t.equal((await pool.query('SELECT 1 FROM throttle')).rowCount, 0)
})

void t.test('while attempts cannot be counted nobody signs in, and nothing is hashed; reading goes on', async (t) => {
  const hasher = new CountingHasher()
  const { app, pool } = await openServiceOnPostgres(t, { env: ON, hasher })
  const cookie = cookieOf(await register(app))
  await pool.query('DROP TABLE throttle')
  t.match((await login(app)).json(), { status: 503, code: 'ERR_STORE' })
  t.equal((await register(app, 'bob@example.com', HERE)).statusCode, 503)
  t.equal(hasher.verified, 0)
  t.equal((await app.inject({ url: '/auth/me', headers: { cookie } })).statusCode, 200)
})

void t.test('rows hold neither names nor addresses, and those that have expired are removed', async (t) => {
  const { app, pool, openPool } = await openServiceOnPostgres(t, { env: ON })
  await login(app, { password: WRONG })
  const { rows } = await pool.query<{ key: Buffer }>('SELECT key FROM throttle')
  t.equal(rows.length, 3)
  for (const { key } of rows) t.notMatch(key.toString('latin1'), /ann@|203\.0/)
  await pool.query(ago(61))
  const throttle = new Throttle({ database: new Database({ pool: openPool(), named: true }), audit: UNHEARD, key: randomBytes(32) })
  await throttle.cleanup()
  t.equal((await pool.query('SELECT 1 FROM throttle')).rowCount, 2, 'the pair’s minute is over')
})
