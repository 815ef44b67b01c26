import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { freshDatabase } from '../helpers/database.js'
import { openFaultProxy } from '../helpers/fault-proxy.js'
import { runToEnd, startProcess, untilStatus } from '../helpers/service-process.js'

const KEY = randomBytes(32).toString('base64url')

async function freshEnv (t: Test): Promise<{ DATABASE_URL: string, SESSION_AUTH_KEYS: string }> {
  return { DATABASE_URL: (await freshDatabase(t)).connectionString, SESSION_AUTH_KEYS: KEY }
}

/** Begins a session; resolves to its Cookie header. */
async function begin (url: string, set: object): Promise<string> {
  const answer = await fetch(`${url}/session`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ set }) })
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
  return answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

const valuesOf = async (url: string, cookie: string): Promise<unknown> => Reflect.get(Object(await (await fetch(`${url}/session`, { headers: { cookie } })).json()), 'values')

void t.test('values come back after the service was killed and started again', async (t) => {
  const env = await freshEnv(t)
  const first = await startProcess(t, env)
  await untilStatus(`${first.url}/readyz`, 200)
  const cookie = await begin(first.url, { colour: 'silver' })
  first.child.kill('SIGKILL')
  await first.exited
  const second = await startProcess(t, env)
  await untilStatus(`${second.url}/readyz`, 200)
  t.strictSame(await valuesOf(second.url, cookie), { colour: 'silver' })
  for (const { output } of [first, second]) {
    for (const secret of [KEY, cookie, new URL(env.DATABASE_URL).password]) t.notOk(output().includes(secret), 'the log holds no secret')
  }
})

void t.test('a user registers, and the tokens of before hold after a restart: the keys are kept beside the data', async (t) => {
  const env = { ...await freshEnv(t), DATA_DIR: t.testdir() }
  const first = await startProcess(t, env)
  await untilStatus(`${first.url}/readyz`, 200)
  const answer = await fetch(`${first.url}/auth/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'ann@example.com', password: 'correct horse battery' }) })
  t.equal(answer.status, 201)
  const token = String(Reflect.get(Object(await answer.json()), 'access_token'))
  first.child.kill('SIGTERM')
  t.equal(await first.exited, 0)
  const second = await startProcess(t, env)
  await untilStatus(`${second.url}/readyz`, 200)
  const me = await fetch(`${second.url}/auth/me`, { headers: { authorization: `Bearer ${token}` } })
  t.equal(me.status, 200)
  t.match(await me.json(), { user: { email: 'ann@example.com' } })
  t.equal((await fetch(`${second.url}/.well-known/jwks.json`)).status, 200)
  for (const { output } of [first, second]) t.notMatch(output(), /correct horse|PRIVATE KEY|eyJ/, 'the log holds no secret')
})

void t.test('of 200 patches of one session over two processes none is lost', async (t) => {
  const env = await freshEnv(t)
  const services = await Promise.all([startProcess(t, env), startProcess(t, env)])
  for (const { url } of services) await untilStatus(`${url}/readyz`, 200)
  const [a, b] = services
  const cookie = await begin(a.url, { first: 0 })
  const answers = await Promise.all(Array.from({ length: 200 }, async (_, i) => await fetch(`${(i % 2 === 0 ? a : b).url}/session`, {
    method: 'PATCH', headers: { cookie, 'content-type': 'application/json' }, body: JSON.stringify({ set: { [`k${i}`]: i } })
  })))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(Object.keys(Object(await valuesOf(b.url, cookie))).length, 201)
})

void t.test('3B-01: with the database away at the start it listens, answers 503, and recovers by itself', async (t) => {
  const env = await freshEnv(t)
  const proxy = await openFaultProxy(t, env.DATABASE_URL)
  proxy.cut()
  const { url, child, exited } = await startProcess(t, { ...env, DATABASE_URL: proxy.connectionString })
  t.equal((await fetch(`${url}/livez`)).status, 200)
  for (const path of ['/readyz', '/', '/session', '/nothing']) {
    const answer = await fetch(url + path)
    t.equal(answer.status, 503, path)
    t.match(answer.headers.get('retry-after'), /^\d+$/)
    t.match(answer.headers.get('content-type'), /^application\/problem\+json/)
  }
  proxy.restore()
  await untilStatus(`${url}/readyz`, 200)
  t.equal((await fetch(`${url}/session`)).status, 200)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
})

void t.test('3B-02: with the database gone later it answers 503, lives on, and recovers by itself', async (t) => {
  const env = await freshEnv(t)
  const proxy = await openFaultProxy(t, env.DATABASE_URL)
  const { url, child } = await startProcess(t, { ...env, DATABASE_URL: proxy.connectionString })
  await untilStatus(`${url}/readyz`, 200)
  const cookie = await begin(url, { colour: 'silver' })
  for (let round = 0; round < 3; round++) {
    proxy.cut()
    const refused = await fetch(`${url}/session`, { headers: { cookie } })
    t.equal(refused.status, 503)
    t.match(await refused.json(), { code: 'ERR_STORE' })
    t.strictSame(refused.headers.getSetCookie(), [])
    t.equal((await fetch(`${url}/readyz`)).status, 503)
    t.equal((await fetch(`${url}/livez`)).status, 200)
    t.equal((await fetch(`${url}/session`)).status, 200, 'a stranger needs no storage')
    proxy.restore()
    await untilStatus(`${url}/readyz`, 200)
    t.strictSame(await valuesOf(url, cookie), { colour: 'silver' })
  }
  t.equal(child.exitCode, null)
})

void t.test('V70: terminating every connection, idle and busy, leaves the process alive', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const { url, child } = await startProcess(t, { DATABASE_URL: connectionString, SESSION_AUTH_KEYS: KEY })
  await untilStatus(`${url}/readyz`, 200)
  const cookie = await begin(url, { colour: 'silver' })
  const statuses = new Set<number>()
  for (let round = 0; round < 20; round++) {
    const asked = Array.from({ length: 5 }, async () => statuses.add((await fetch(`${url}/session`, { headers: { cookie } })).status))
    await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback'")
    await Promise.all(asked)
  }
  t.strictSame([...statuses].filter((status) => status !== 200 && status !== 503), [])
  await untilStatus(`${url}/readyz`, 200)
  t.strictSame(await valuesOf(url, cookie), { colour: 'silver' })
  t.equal(child.exitCode, null)
})

void t.test('a pool that is busy through and through does not make the service unready', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  const { url } = await startProcess(t, { DATABASE_URL: connectionString, SESSION_AUTH_KEYS: KEY })
  await untilStatus(`${url}/readyz`, 200)
  const cookies = await Promise.all(Array.from({ length: 30 }, async (_, i) => await begin(url, { i })))
  const blocker = await pool.connect()
  t.teardown(() => { blocker.release(true) })
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE')
  const asked = cookies.map(async (cookie) => (await fetch(`${url}/session`, { headers: { cookie } })).status)
  for (;;) {
    const { rows: [waiting] } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database WHERE d.datname = current_database() AND NOT granted')
    if (waiting !== undefined && waiting.n > 0) break
  }
  t.equal((await fetch(`${url}/readyz`)).status, 200)
  await blocker.query('ROLLBACK')
  t.ok((await Promise.all(asked)).every((status) => status === 200 || status === 503))
})

/** Sends the head of a PATCH and no body yet: a request in flight. */
async function half (url: string) {
  const sent = request(`${url}/session`, { method: 'PATCH', headers: { 'content-type': 'application/json', 'content-length': 2, expect: '100-continue' } })
  sent.flushHeaders()
  await once(sent, 'continue') // the service has it
  return { sent, answer: once(sent, 'response').then(([response]: { statusCode: number }[]) => response?.statusCode) }
}

void t.test('a stop lets the request in flight finish, refuses new connections, and ends with 0', async (t) => {
  const { url, child, exited, output } = await startProcess(t, await freshEnv(t))
  await untilStatus(`${url}/readyz`, 200)
  const { sent, answer } = await half(url)
  child.kill('SIGTERM')
  for (;;) {
    if (await fetch(`${url}/livez`).then(() => false, () => true)) break
  }
  t.equal(child.exitCode, null, 'it waits for the request')
  sent.end('{}')
  t.equal(await answer, 200)
  t.equal(await exited, 0)
  t.match(output(), 'stopped')
})

void t.test('a request that never ends does not hold up the stop for ten seconds', async (t) => {
  const { url, child, exited } = await startProcess(t, await freshEnv(t))
  await untilStatus(`${url}/readyz`, 200)
  const { answer } = await half(url)
  const startedAt = performance.now()
  child.kill('SIGINT')
  await t.rejects(answer)
  t.equal(await exited, 0)
  t.ok(performance.now() - startedAt < 10_000)
})

void t.test('a second signal ends the process at once', async (t) => {
  const { url, child, exited, output } = await startProcess(t, await freshEnv(t))
  await untilStatus(`${url}/readyz`, 200)
  const { answer } = await half(url)
  answer.catch(() => { /* cut, as it should be */ })
  child.kill('SIGTERM')
  while (!output().includes('stopping')) await once(child.stdout ?? child, 'data')
  const startedAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await exited, 1)
  t.ok(performance.now() - startedAt < 8_000)
})

void t.test('with the database away the service stops as well', async (t) => {
  const { url, child, exited } = await startProcess(t, { DATABASE_URL: 'postgres://localhost:1/x', SESSION_AUTH_KEYS: KEY })
  await untilStatus(`${url}/readyz`, 503)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
})

void t.test('with a database that falls silent the whole stop ends within ten seconds, sign-ins in flight or not', async (t) => {
  const env = await freshEnv(t)
  const proxy = await openFaultProxy(t, env.DATABASE_URL)
  const { url, child, exited, output } = await startProcess(t, { ...env, DATABASE_URL: proxy.connectionString, RATE_LIMIT: 'off' })
  await untilStatus(`${url}/readyz`, 200)
  const post = async (door: string) => await fetch(`${url}/auth/${door}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'ann@example.com', password: 'correct horse battery' }) })
  t.equal((await post('register')).status, 201)
  await Promise.all(Array.from({ length: 3 }, async () => { t.equal((await post('login')).status, 200) }))
  proxy.freeze()
  const asked = Array.from({ length: 6 }, async () => (await post('login').catch(() => null))?.status)
  const startedAt = performance.now()
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  t.ok(performance.now() - startedAt < 10_000, `${Math.round(performance.now() - startedAt)} ms`)
  t.match(output(), 'stopped')
  await Promise.all(asked)
})

void t.test('without any configuration it brings its own PostgreSQL and keys; both stay over a restart', async (t) => {
  const env = { DATA_DIR: t.testdir() }
  const first = await startProcess(t, env)
  await untilStatus(`${first.url}/readyz`, 200)
  const cookie = await begin(first.url, { colour: 'silver' })
  const other = await runToEnd(t, env)
  t.equal(other.code, 1, 'a second service on the folder is refused')
  t.match(other.output, /silverback cannot start: .*set DATA_DIR/)
  first.child.kill('SIGTERM')
  t.equal(await first.exited, 0)
  const second = await startProcess(t, env)
  await untilStatus(`${second.url}/readyz`, 200)
  t.strictSame(await valuesOf(second.url, cookie), { colour: 'silver' })
  second.child.kill('SIGTERM')
  t.equal(await second.exited, 0)
})

void t.test('a configuration that is wrong ends it with 1 and all faults, without values', async (t) => {
  const { code, output } = await runToEnd(t, { NODE_ENV: 'production', PORT: 'hunter1', SESSION_AUTH_KEYS: 'hunter2', DATABASE_URL: 'mysql://x:hunter3@x/x' })
  t.equal(code, 1)
  for (const name of ['PORT', 'SESSION_AUTH_KEYS', 'DATABASE_URL']) t.match(output, new RegExp(`^  - ${name} `, 'm'))
  t.notMatch(output, /hunter|\n\s+at /, 'neither values nor a stack')
})

void t.test('a port that is taken ends it with 1 and one line that names PORT', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const address = taken.address()
  const PORT = typeof address === 'object' ? String(address?.port) : ''
  const { code, output } = await runToEnd(t, { ...await freshEnv(t), PORT })
  t.equal(code, 1)
  t.match(output, /cannot start: .*EADDRINUSE.*\bPORT\b/)
  t.notMatch(output, /\n\s+at /)
})

void t.test('a host that is not here ends it with 1 and one line that names HOST', async (t) => {
  for (const HOST of ['203.0.113.1', 'nowhere.invalid']) {
    const { code, output } = await runToEnd(t, { ...await freshEnv(t), HOST })
    t.equal(code, 1)
    t.match(output, /cannot start: .*\bHOST\b/)
    t.notMatch(output, /\n\s+at /)
  }
})

void t.test('a data folder that cannot be made ends it with 1 and one line that names DATA_DIR', async (t) => {
  const file = join(t.testdir({ file: '' }), 'file')
  for (const [DATA_DIR, env] of [[file, {}], [join(file, 'below'), {}], [join(file, 'below'), { DATABASE_URL: 'postgres://localhost:1/x' }], ['/proc/nowhere', {}]] as const) {
    const { code, output } = await runToEnd(t, { ...env, DATA_DIR })
    t.equal(code, 1)
    t.match(output, /cannot start: .*\bDATA_DIR\b.*(?:ENOTDIR|ENOENT|EEXIST)/, DATA_DIR)
    t.notMatch(output, /\n\s+at /)
  }
})

void t.test('where it runs is said once', async (t) => {
  const { output } = await startProcess(t, { ...await freshEnv(t), HOST: '0.0.0.0' })
  t.match(output(), 'silverback runs at')
  t.notMatch(output(), '"listening"')
})

void t.test('an embedded PostgreSQL that dies is logged, and is why the service is not ready', async (t) => {
  const { url, child, exited, output } = await startProcess(t, { DATA_DIR: t.testdir() })
  await untilStatus(`${url}/readyz`, 200)
  process.kill(Number(/PostgreSQL started \(pid (\d+)\)/.exec(output())?.[1]), 'SIGKILL')
  const reason = /the embedded PostgreSQL ended.*postgres\.log.*restart the service/
  while (!reason.test(output())) await once(child.stdout ?? child, 'data')
  const answer = await fetch(`${url}/readyz`)
  t.equal(answer.status, 503)
  t.match(await answer.json(), { reasons: [reason] })
  t.match(output(), /"level":50.*the embedded PostgreSQL ended/)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
})
