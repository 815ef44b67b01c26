import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { diagnose } from '../../src/service/doctor/doctor.js'
import type { Finding } from '../../src/service/doctor/finding.js'
import { freshDatabase } from '../helpers/database.js'
import type { FreshDatabase } from '../helpers/database.js'
import { freePort } from '../helpers/free-port.js'
import { startProcess, untilStatus } from '../helpers/service-process.js'
import { silverback } from './command.js'

interface Way {
  /** What the proxy sends on, besides or instead. */
  readonly on?: (headers: IncomingHttpHeaders) => OutgoingHttpHeaders
  /** What it makes of the answer's cookies. */
  readonly back?: (cookie: string) => string
}

/** A service, and the address of a proxy before it. */
async function open (t: Test, env: NodeJS.ProcessEnv, { on = (headers) => headers, back = (cookie) => cookie }: Way = {}): Promise<FreshDatabase & { env: NodeJS.ProcessEnv, publicUrl: URL, service: URL }> {
  const database = await freshDatabase(t, { prepare: migrateUp })
  const all = { DATABASE_URL: database.connectionString, DATA_DIR: t.testdir(), ...env }
  const { url } = await startProcess(t, all)
  await untilStatus(`${url}/readyz`, 200)
  const service = new URL(url)
  const proxy = createServer((incoming, outgoing) => {
    const headers = { ...on({ ...incoming.headers, host: service.host }) }
    incoming.pipe(request({ host: '127.0.0.1', port: service.port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...(answer.headers['set-cookie'] !== undefined && { 'set-cookie': answer.headers['set-cookie'].map(back) }) })
      answer.pipe(outgoing)
    }))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => { proxy.close() })
  const address = proxy.address()
  return { ...database, env: all, service, publicUrl: new URL(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`) }
}

const aboutAddress = async (env: NodeJS.ProcessEnv, publicUrl: URL): Promise<Finding[]> => (await diagnose({ env, publicUrl })).filter(({ check }) => check === 'address')

void t.test('a Secure cookie behind a proxy without TRUST_PROXY is found at the public address, and said what to do', async (t) => {
  const { env, publicUrl, pool } = await open(t, { SESSION_SECURE: 'on' })
  t.match(await aboutAddress(env, publicUrl), [{ outcome: 'fault', message: /refuses its own Origin as cross-site/, remedy: /TRUST_PROXY is off: set TRUST_PROXY.*X-Forwarded-Host/ }])
  const { code, out } = await silverback(t, env, 'doctor', '--url', publicUrl.href)
  t.equal(code, 3)
  t.match(out, /^fault +address .*\n +-> TRUST_PROXY is off/m)
  t.equal((await pool.query('SELECT FROM sessions')).rowCount, 0, 'what the doctor began, it has ended')
})

void t.test('behind a proxy that says what the browser sees, and whose word counts, all is well', async (t) => {
  const way: Way = { on: (headers) => ({ ...headers, 'x-forwarded-proto': 'http', 'x-forwarded-host': new URL(headers.origin ?? 'http://nobody').host }) }
  const { env, publicUrl, service } = await open(t, { SESSION_SECURE: 'on', TRUST_PROXY: 'loopback' }, way)
  t.match(await aboutAddress(env, publicUrl), [{ outcome: 'ok' }])
  t.match(await aboutAddress(env, service), [{ outcome: 'ok' }], 'and without the proxy')
})

void t.test('a proxy whose word counts and that does not give it', async (t) => {
  const { env, publicUrl } = await open(t, { TRUST_PROXY: 'loopback' })
  t.match(await aboutAddress(env, publicUrl), [{ outcome: 'fault', message: /cross-site/, remedy: /let the proxy send X-Forwarded-Proto and X-Forwarded-Host/ }])
})

void t.test('a proxy that changes the cookie', async (t) => {
  const way: Way = { on: (headers) => ({ ...headers, host: '127.0.0.1' }), back: (cookie) => cookie.replace('SameSite=Lax', 'SameSite=None; Partitioned') }
  const { env, publicUrl } = await open(t, {}, way)
  const found = await aboutAddress(env, publicUrl)
  for (const message of [/lacks "samesite=lax"/, /has "samesite=none"/, /has "partitioned"/]) t.ok(found.some((finding) => finding.outcome === 'fault' && message.test(finding.message)), String(message))
})

void t.test('a service with another configuration, one that loses the cookie, and none', async (t) => {
  const { env, publicUrl, service } = await open(t, {}, { back: () => 'sid=; Path=/; HttpOnly; SameSite=Lax' })
  t.match(await aboutAddress({ ...env, SESSION_COOKIE_NAME: 'other' }, service), [{ outcome: 'fault', message: /sets sid, not the configured cookie other/, remedy: /environment of the service/ }])
  t.match(await aboutAddress({ ...env, SESSION_SECURE: 'on' }, service), [{ outcome: 'fault', message: /not the configured cookie __Host-sid/ }])
  t.match(await aboutAddress(env, new URL(`http://127.0.0.1:${await freePort()}`)), [{ outcome: 'fault', message: /does not answer \(ECONNREFUSED\)/ }])
  t.match(await aboutAddress({ ...env, SESSION_SECURE: 'on' }, new URL('http://id.example.com')), [{ outcome: 'fault', message: /Secure and http:\/\/id\.example\.com is http/, remedy: /https/ }])
  t.ok((await aboutAddress(env, publicUrl)).length > 0)
})
