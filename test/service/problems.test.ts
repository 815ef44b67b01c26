import type { InjectOptions } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { connect } from 'node:net'
import { beginSession, openService } from '../helpers/service-app.js'

/** That an answer is a problem document, and nothing else. */
function isProblem (t: Test, answer: { statusCode: number, headers: Record<string, unknown>, json: () => unknown }, status: number, code: string): void {
  t.equal(answer.statusCode, status)
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.match(answer.headers['x-request-id'], /^[0-9a-f-]{36}$/)
  t.match(answer.json(), { type: 'about:blank', title: /./, status, code })
}

const HOSTILE: readonly (readonly [title: string, body: string, field: string | undefined])[] = [
  ['no JSON', '{"set":', undefined],
  ['trailing data', '{"set":{}} x', undefined],
  ['a __proto__', '{"__proto__":{"admin":true}}', undefined],
  ['a nested __proto__', '{"set":{"a":{"__proto__":{"admin":true}}}}', undefined],
  ['a constructor.prototype', '{"set":{"constructor":{"prototype":{"admin":true}}}}', undefined],
  ['UTF-16', Buffer.from('{"set":{"a":1}}', 'utf16le').toString('latin1'), undefined],
  ['an unknown field', '{"set":{"a":1},"sett":{}}', 'sett'],
  ['an array', '[]', 'body'],
  ['a text', '"x"', 'body'],
  ['a number', '1', 'body'],
  ['an array to set', '{"set":["a"]}', 'set'],
  ['null to set', '{"set":null}', 'set'],
  ['a text to unset', '{"unset":"a"}', 'unset'],
  ['a number to unset', '{"unset":["a",1]}', 'unset.1'],
  ['a null to unset', '{"unset":[null]}', 'unset.0'],
  ['a key in both', '{"set":{"a":1},"unset":["a"]}', 'a'],
  ['257 keys to unset', JSON.stringify({ unset: Array.from({ length: 257 }, (_, i) => `k${i}`) }), 'unset'],
  ['a depth of 10,000', `{"set":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'set']
]

for (const [title, payload, field] of HOSTILE) {
  void t.test(`a body with ${title} is answered with 400 and changes nothing`, async (t) => {
    const app = await openService(t)
    const cookie = await beginSession(app)
    for (const headers of [{ cookie }, {}]) {
      const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { ...headers, 'content-type': 'application/json' }, payload })
      isProblem(t, answer, 400, 'ERR_VALIDATION')
      t.equal(answer.json().field, field)
      t.equal(answer.headers['set-cookie'], undefined)
    }
    t.strictSame((await app.inject({ url: '/session', headers: { cookie } })).json().values, { colour: 'silver' })
    t.equal(Reflect.get({}, 'admin'), undefined)
  })
}

void t.test('X04: bodies that a form of another site could send are answered with 415', async (t) => {
  const app = await openService(t)
  for (const method of ['PATCH', 'DELETE'] as const) {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/merge-patch+json', 'text/json', 'nonsense', '']) {
      const headers = type === '' ? {} : { 'content-type': type }
      isProblem(t, await app.inject({ method, url: '/session', headers, payload: Buffer.from('{"set":{"a":1}}') }), 415, 'ERR_MEDIA_TYPE')
    }
  }
  const charset = await app.inject({ method: 'PATCH', url: '/session', headers: { 'content-type': 'application/json; charset=utf-8' }, payload: '{}' })
  t.equal(charset.statusCode, 200)
})

void t.test('bodies in another encoding than plain UTF-8 are answered with 415', async (t) => {
  const app = await openService(t)
  const send = async (headers: Record<string, string>) => await app.inject({ method: 'PATCH', url: '/session', headers: { 'content-type': 'application/json', ...headers }, payload: '{"set":{"a":1}}' })
  for (const headers of [{ 'content-encoding': 'gzip' }, { 'content-encoding': 'br' }, { 'content-type': 'application/json; charset=iso-8859-1' }, { 'content-type': 'application/json;charset="UTF-16"' }]) {
    isProblem(t, await send(headers), 415, 'ERR_MEDIA_TYPE')
  }
  for (const headers of [{ 'content-encoding': 'identity' }, { 'content-type': 'application/json;charset="UTF-8"' }]) t.equal((await send(headers)).statusCode, 200)
})

void t.test('a body that is no UTF-8 is answered with 400, and nothing is stored', async (t) => {
  const app = await openService(t)
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]]) {
    const payload = Buffer.concat([Buffer.from('{"set":{"a":"'), Buffer.from(bytes), Buffer.from('"}}')])
    const answer = await app.inject({ method: 'PATCH', url: '/session', headers: { 'content-type': 'application/json' }, payload })
    isProblem(t, answer, 400, 'ERR_VALIDATION')
    t.equal(answer.headers['set-cookie'], undefined)
  }
})

void t.test('a body over the limit is answered with 413', async (t) => {
  const app = await openService(t)
  isProblem(t, await app.inject({ method: 'PATCH', url: '/session', payload: { set: { a: 'x'.repeat(600_000) } } }), 413, 'ERR_TOO_LARGE')
})

void t.test('what is not there is answered with 404, under other methods with 405', async (t) => {
  const app = await openService(t)
  isProblem(t, await app.inject('/nothing'), 404, 'ERR_NOT_FOUND')
  isProblem(t, await app.inject({ method: 'POST', url: '/session/../x' }), 404, 'ERR_NOT_FOUND')
  for (const method of ['POST', 'PUT', 'TRACE', 'PROPFIND'] as const satisfies readonly InjectOptions['method'][]) {
    const answer = await app.inject({ method, url: '/session?x=1' })
    isProblem(t, answer, 405, 'ERR_METHOD')
    t.equal(answer.headers['allow'], 'GET, HEAD, PATCH, DELETE, OPTIONS')
  }
  const options = await app.inject({ method: 'OPTIONS', url: '/session', headers: { origin: 'https://evil.example' } })
  t.equal(options.statusCode, 204)
  t.notOk(Object.keys(options.headers).some((name) => name.startsWith('access-control')), 'and no other site is invited')
  t.equal((await app.inject({ method: 'OPTIONS', url: '/nothing' })).statusCode, 404)
})

void t.test('a URL that cannot be decoded is answered with 400, and is not repeated', async (t) => {
  const app = await openService(t)
  for (const url of ['/%', '/%zz<script>', '/%E0%A4%A']) {
    const answer = await app.inject(url)
    isProblem(t, answer, 400, 'ERR_VALIDATION')
    t.notMatch(answer.body, '%')
    t.match(answer.headers, { 'content-security-policy': /./, 'x-content-type-options': 'nosniff' })
  }
})

void t.test('whatever a handler throws is answered with 500 without details', async (t) => {
  const app = await openService(t)
  // a route cannot be added to an application that is ready, so this asks the handler itself
  const { toAnswer } = await import('../../src/plugins/problems.js')
  await app.close()
  for (const thrown of [new Error('hunter2'), 'hunter2', null, undefined, { message: 'hunter2', statusCode: 400 }, Object.assign(new Error('hunter2'), { statusCode: 99 })]) {
    const { problem } = toAnswer(thrown)
    t.match(problem, { status: 500, code: 'ERR_INTERNAL' })
    t.notMatch(JSON.stringify(problem), 'hunter2')
  }
  t.match(toAnswer(Object.assign(new Error('hunter2'), { statusCode: 418 })).problem, { status: 418, code: 'ERR_REQUEST' })
})

void t.test('bytes that are no HTTP are answered with a problem document, and the connection is closed', async (t) => {
  const app = await openService(t)
  const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
  for (const [bytes, status] of [['NONSENSE\r\n\r\n', 400], [`GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'x'.repeat(20_000)}\r\n\r\n`, 431]] as const) {
    const text = await new Promise<string>((resolve, reject) => {
      let received = ''
      const socket = connect(port, '127.0.0.1', () => { socket.write(bytes) })
      socket.setEncoding('utf8').on('data', (chunk: string) => { received += chunk }).on('error', reject).on('close', () => { resolve(received) })
    })
    t.match(text, new RegExp(`^HTTP/1.1 ${status} `))
    for (const header of ['X-Content-Type-Options: nosniff', 'Cache-Control: no-store']) t.match(text.split('\r\n\r\n')[0], `\r\n${header}`)
    t.match(JSON.parse(text.split('\r\n\r\n')[1] ?? ''), { status, code: /^ERR_/ })
  }
})
