import { once } from 'node:events'
import { createServer } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { hasNginx, openNginx } from '../helpers/nginx.js'
import { ask, openPair, signIn } from '../helpers/token-client.js'

/** An application behind nginx: says what it was told of the user. */
async function openApplication (t: Test): Promise<string> {
  const server = createServer((request, response) => {
    const told = Object.fromEntries(Object.entries(request.headers).filter(([name]) => /^x-(?:user|is|session)/.test(name)))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ told, method: request.method, url: request.url }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}`
}

const LIES = { 'X-User-Id': 'root', 'x-is-admin': 'true', 'X-Session-Id': 'mine', 'X-User': 'root', 'X-User-Email': 'root@example.com', 'X-User-Name': 'root', 'X-User-Roles': 'root' }

if (hasNginx) {
  void t.test('nginx with docs/nginx.conf lets those through who are signed in, and tells the application who they are', async (t) => {
    const { a } = await openPair(t, { TRUST_PROXY: '127.0.0.1' })
    const nginx = await openNginx(t, { silverback: a.url, application: await openApplication(t) })

    t.equal((await ask(nginx, 'GET', '/orders')).status, 401, 'nobody is signed in')
    t.equal((await ask(nginx, 'GET', '/orders', { headers: LIES })).status, 401, 'spoofed identity: headers of the client open nothing')
    t.equal((await ask(nginx, 'GET', '/_verify')).status, 404, 'the question is not for the outside')

    const { access, userId, sessionId } = await signIn(nginx, 'register', 'ada@example.com')
    const told = { 'x-user-id': userId, 'x-is-admin': 'false', 'x-session-id': sessionId }
    t.strictSame((await ask(nginx, 'GET', '/orders?page=2', { token: access })).body, { told, method: 'GET', url: '/orders?page=2' })
    t.strictSame((await ask(nginx, 'POST', '/orders', { token: access, headers: LIES, body: { item: 1 } })).body, { told, method: 'POST', url: '/orders' }, 'spoofed identity: what the client says of itself is replaced')

    const login = await fetch(`${nginx}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'ada@example.com', password: 'a long walk by the sea', transport: 'none' }) })
    const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    t.match((await ask(nginx, 'GET', '/orders', { headers: { cookie } })).body, { told: { 'x-user-id': userId } }, 'the session cookie does, too')
    const foreign = { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    t.equal((await ask(nginx, 'POST', '/orders', { headers: foreign, body: {} })).status, 403, 'cross-site: a POST with the cookie is refused by the method that the client used')
    t.equal((await ask(nginx, 'GET', '/orders', { headers: foreign })).status, 200, 'a link from elsewhere works')

    const bob = await signIn(nginx, 'register', 'bob@example.com')
    t.equal((await ask(nginx, 'GET', '/orders', { token: bob.access, headers: { cookie } })).status, 401, 'who says to be two is neither, and the service is not away')
    t.equal((await ask(nginx, 'GET', '/orders', { headers: { authorization: 'Bearer' } })).status, 401)

    t.equal((await ask(nginx, 'POST', '/auth/logout', { token: access })).status, 204)
    t.equal((await ask(nginx, 'GET', '/orders', { token: access })).status, 401)
  })

  void t.test('with the service away, nginx answers 503, never with what it protects', async (t) => {
    const { a } = await openPair(t, { TRUST_PROXY: '127.0.0.1' })
    const nginx = await openNginx(t, { silverback: a.url, application: await openApplication(t) })
    const { access } = await signIn(nginx, 'register', 'ada@example.com')
    a.child.kill('SIGKILL')
    await a.exited
    const answer = await ask(nginx, 'GET', '/orders', { token: access })
    t.match(answer, { status: 503, body: { code: 'ERR_STORE' } })
    t.equal(answer.headers.get('retry-after'), '1')
  })
}
