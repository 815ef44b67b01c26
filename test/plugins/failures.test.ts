import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import t, { type Test } from 'tap'
import { anySession, Browser, LogLines, NAME, openApp, setCookies, type TestApp } from '../helpers/session-app.js'

const isUnavailable = (t: Test, answer: { statusCode: number, headers: object, json: () => unknown, body: string }, what = ''): void => {
  t.equal(answer.statusCode, 503, what)
  t.match(answer.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store', 'retry-after': /^\d+$/ }, what)
  t.match(answer.json(), { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'ERR_STORE' }, what)
  t.notMatch(answer.body, /fire/, 'nothing of the cause is told')
}

/** An application whose `POST /rich` sets all that a handler can set, and a value. */
const openRich = (t: Test, payload: () => unknown = () => ({ secret: 'of the handler' })): Promise<TestApp> => openApp(t, {
  before: (app) => app.addHook('onRequest', async (_, reply) => {
    reply.headers({ 'access-control-allow-origin': 'https://app.example.com', 'access-control-allow-credentials': 'true', vary: 'Origin', 'x-request-id': 'r1', 'x-frame-options': 'DENY', 'content-security-policy': "default-src 'none'", 'strict-transport-security': 'max-age=31536000' })
  }),
  routes: (app) => app.post('/rich', async (request, reply) => {
    anySession(request).set('a', 1)
    void reply.code(201).headers({ location: '/secret/1', etag: '"1"', 'x-secret': 'of the handler', 'content-language': 'en', 'cache-control': 'public, max-age=3600', 'content-disposition': 'attachment', link: '</secret>' })
    reply.raw.setHeader('x-raw-secret', 'of the handler')
    void reply.setCookie('other', 'of-the-handler').setCookie('third', 'of-the-handler')
    return await reply.send(payload())
  })
})

t.test('a failed save is answered 503: nothing of the handler\'s answer is left, policy headers stay', async (t) => {
  const { app, store } = await openRich(t)
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/rich' })
  isUnavailable(t, answer)
  t.strictSame(setCookies(answer), [])
  t.notMatch(answer.body, 'of the handler')
  t.notMatch(JSON.stringify(answer.headers), 'of the handler')
  t.strictSame(Object.keys(answer.headers).toSorted(), ['access-control-allow-credentials', 'access-control-allow-origin', 'cache-control', 'connection', 'content-length', 'content-security-policy', 'content-type', 'date', 'retry-after', 'strict-transport-security', 'vary', 'x-frame-options', 'x-request-id'])
  t.equal(answer.headers['vary'], 'Origin')
  store.mend()
  t.equal((await app.inject({ method: 'POST', url: '/rich' })).statusCode, 201)
})

t.test('a failed save of a stored session, an end and a sign-in are answered alike, and nothing has changed', async (t) => {
  const { app, store } = await openRich(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/old/1')
  const before = await browser.session()
  store.break('create', 'save', 'delete')
  for (const url of ['/rich', '/login/bob', '/logout', '/regenerate', '/destroy']) {
    const answer = await browser.copy().post(url)
    t.equal(answer.statusCode, 503, url)
    t.strictSame(setCookies(answer), [], url)
    t.equal(answer.headers['cache-control'], 'no-store', url)
    t.equal(answer.headers['retry-after'], '1', url)
  }
  store.mend()
  t.strictSame(await browser.session(), before)
})

for (const [kind, make] of Object.entries<(closed: () => void) => unknown>({
  'a Node stream': (closed) => new Readable({ read () {}, destroy (error, done) { closed(); done(error) } }),
  'a web stream': (closed) => new ReadableStream({ cancel () { closed() } }),
  'the web stream of a Response': (closed) => new Response(new ReadableStream({ cancel () { closed() } }) as unknown as string, { headers: { 'x-secret': 'of the handler' } }),
  'a stream of another library': (closed) => ({ pipe () { throw new Error('must not be piped') }, on () {}, destroy () { closed() } })
})) {
  t.test(`a failed save destroys ${kind}`, async (t) => {
    let closed = 0
    const { app, store } = await openRich(t, () => make(() => { closed++ }))
    store.break('create')
    const answer = await app.inject({ method: 'POST', url: '/rich' })
    isUnavailable(t, answer)
    t.notMatch(JSON.stringify(answer.headers), 'of the handler')
    t.equal(closed, 1)
  })
}

t.test('a failed save of a HEAD, a 204, a 304 and a redirect is a 503 too', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => {
      app.get('/page', async (request) => { anySession(request).set('a', 1); return 'page' })
      app.head('/own-head', async (request, reply) => { anySession(request).set('a', 1); return await reply.header('content-length', '12345').send() })
      app.get('/204', async (request, reply) => { anySession(request).set('a', 1); return await reply.code(204).send() })
      app.get('/304', async (request, reply) => { anySession(request).set('a', 1); return await reply.code(304).send() })
      app.get('/redirect', async (request, reply) => { anySession(request).set('a', 1); return await reply.redirect('/page') })
    }
  })
  store.break('create')
  for (const url of ['/204', '/304', '/redirect']) {
    const answer = await app.inject(url)
    isUnavailable(t, answer, url)
    t.equal(answer.headers['location'], undefined)
  }
  for (const url of ['/page', '/own-head']) {
    const answer = await app.inject({ method: 'HEAD', url })
    t.equal(answer.statusCode, 503, url)
    t.equal(answer.body, '', url)
    t.not(answer.headers['content-length'], '12345', url)
    t.strictSame(setCookies(answer), [], url)
  }
})

t.test('a failed save replaces an error answer as well', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/throw', async (request) => { anySession(request).set('a', 1); throw new Error('private') })
  })
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/throw' })
  isUnavailable(t, answer)
  t.notMatch(answer.body, 'private')
})

t.test('a session that cannot be loaded is answered 503, and no cookie is set or cleared', async (t) => {
  let handled = 0
  const { app, store } = await openApp(t, { routes: (app) => app.get('/handled', async () => { handled++; return 'handled' }) })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.break('get')
  for (const url of ['/handled', '/', '/missing']) {
    const answer = await browser.get(url)
    isUnavailable(t, answer, url)
    t.strictSame(setCookies(answer), [])
  }
  t.equal(handled, 0)
  t.equal((await app.inject('/handled')).statusCode, 200, 'a stranger needs no storage')
  store.mend()
  t.equal((await browser.session()).userId, 'ada')
})

t.test('a failed load is told to the log with its cause, and not as a request that the application failed', async (t) => {
  const log = new LogLines()
  const { app, store } = await openApp(t, { server: { logger: { stream: log } } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.break('get')
  await browser.get('/')
  t.match(log.withMessage(/could not be loaded/), [{ level: 50, err: { code: 'ERR_STORE', message: /disk is on fire/ } }])
})

t.test('onStoreError: \'anonymous\' answers as to a stranger, stores nothing and touches no cookie', async (t) => {
  const routes = (app: TestApp['app']): void => {
    app.post('/try', { config: { onStoreError: 'anonymous' } }, async (request) => {
      const session = anySession(request)
      session.set('a', 1)
      t.equal(session.get('a'), 1, 'it can be used for this request')
      session.options({ maxAge: 60 })
      session.touch()
      t.match({ userId: session.userId, isNew: session.isNew, isSaved: session.isSaved() }, { userId: null, isNew: true, isSaved: false })
      for (const act of [async () => { await session.save() }, async () => { await session.destroy() }, async () => { await session.regenerate() }, async () => { await session.update('a', () => 1) }, async () => { await session.reload() }]) {
        await t.rejects(act(), { code: 'ERR_STORE', statusCode: 503 })
      }
      t.throws(() => { session.setUserId('ada') }, { code: 'ERR_STORE' })
      t.throws(() => { session.setUserId(null) }, { code: 'ERR_STORE' })
      t.throws(() => { session.delete() }, { code: 'ERR_STORE' })
      return 'answered'
    })
  }
  for (const options of [{}, { onStoreError: 'anonymous' }] as const) {
    const { app, store, clock } = await openApp(t, { options, routes })
    const browser = new Browser(app)
    await browser.post('/login/ada')
    clock.advance(20_000)
    store.break('get')
    store.takeCalls()
    const answer = await browser.post('/try')
    t.equal(answer.statusCode, 200, answer.body)
    t.equal(answer.body, 'answered')
    t.strictSame(setCookies(answer), [])
    t.strictSame(store.takeCalls(), ['get'])
    t.equal((await browser.get('/plain')).statusCode, 'onStoreError' in options ? 200 : 503, 'the route\'s word stands for the route')
    t.equal((await browser.post('/login/eve')).statusCode, 503)
    store.mend()
    t.equal((await browser.session()).userId, 'ada')
  }
})

t.test('onStoreError: \'fail\' on a route stands against the plugin\'s \'anonymous\'', async (t) => {
  const { app, store } = await openApp(t, {
    options: { onStoreError: 'anonymous' },
    routes: (app) => {
      app.get('/strict', { config: { onStoreError: 'fail' } }, async () => 'strict')
    }
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.break('get')
  t.equal((await browser.get('/plain')).statusCode, 200)
  isUnavailable(t, await browser.get('/strict'))
})

t.test('a session too large is refused with a 413 problem document, and what was stored stands', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/fill', async (request) => {
      for (let n = 0; n < 5; n++) anySession(request).set(`k${n}`, 'x'.repeat(60_000))
      return 'filled'
    })
  })
  const browser = new Browser(app)
  for (const who of [new Browser(app), browser]) {
    if (who === browser) await browser.post('/set/old/1')
    const answer = await who.post('/fill')
    t.equal(answer.statusCode, 413)
    t.match(answer.headers, { 'content-type': /^application\/problem\+json/, 'cache-control': 'no-store' })
    t.match(answer.json(), { status: 413, code: 'ERR_SESSION_TOO_LARGE' })
    t.strictSame(setCookies(answer), [])
  }
  t.strictSame((await browser.session()).values, { old: '1' })
})

t.test('a regenerate that fails leaves the session as it was: values, changes and cookie', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/try', async (request) => {
      const session = anySession(request)
      const { id } = session
      session.set('fresh', 1)
      store.break('save')
      await t.rejects(session.regenerate(['nothing']), { code: 'ERR_STORE' })
      store.mend()
      t.strictSame(session.values, { old: '1', fresh: 1 })
      t.equal(session.get('old'), '1')
      t.equal(session.id, id)
      return 'tried'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  const before = await browser.session()
  t.equal((await browser.post('/try')).statusCode, 200)
  t.match(await browser.session(), { id: before.id, isNew: false })
  t.strictSame((await browser.session()).values, { old: '1', fresh: 1 })
})

t.test('a destroy that fails has ended nothing', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/try', async (request) => {
      store.break('delete')
      await t.rejects(request.session.destroy(), { code: 'ERR_STORE' })
      store.mend()
      anySession(request).set('after', 1)
      return 'tried'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const answer = await browser.post('/try')
  t.equal(answer.statusCode, 200)
  t.notOk(setCookies(answer).some(({ value }) => value === ''))
  t.match(await browser.session(), { userId: 'ada', values: { after: 1 } })
})

t.test('an error that is none of the storage\'s is Fastify\'s to answer, and no cookie goes out', async (t) => {
  const { app, store } = await openApp(t)
  const browser = new Browser(app)
  store.before = () => { throw new TypeError('a bug in the store') }
  const saved = await browser.post('/set/a/1')
  t.equal(saved.statusCode, 500)
  t.strictSame(setCookies(saved), [])
  store.mend()
  await browser.post('/login/ada')
  store.before = () => { throw new TypeError('a bug in the store') }
  const loaded = await browser.get('/')
  t.equal(loaded.statusCode, 500)
  t.strictSame(setCookies(loaded), [])
})

t.test('a row that holds no object is ended, and its owner is a stranger', async (t) => {
  const log = new LogLines()
  for (const values of [null, [1], 'x', 5, true]) {
    const { app, store } = await openApp(t, { server: { logger: { stream: log, level: 'debug' } } })
    const browser = new Browser(app)
    await browser.post('/login/ada')
    const { id } = await browser.session()
    const ended: unknown[] = []
    app.sessions.on('ended', ({ sessionId, userId, reason }) => { ended.push({ sessionId, userId, reason }) })
    store.edit = (record) => ({ ...record, values: values as unknown as Record<string, never> })
    const answer = await browser.get('/')
    t.equal(answer.statusCode, 200)
    t.match(answer.json(), { userId: null, isNew: true })
    t.strictSame(setCookies(answer), [])
    store.edit = (record) => record
    t.equal(await store.get(id), null)
    t.strictSame(ended, [{ sessionId: id, userId: 'ada', reason: 'corrupt' }])
  }
  t.equal(log.withMessage(/not accepted/).filter(({ reason }) => reason === 'corrupt').length, 5)
})

t.test('a row edited to hold __proto__ pollutes nothing', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.get('/look', async (request) => {
      const session = anySession(request)
      const { values } = session
      t.strictSame(Object.keys(values), ['__proto__', 'constructor', 'a'])
      t.equal(Reflect.get(values, 'admin'), undefined)
      t.equal(Reflect.get(session.data(), 'admin'), undefined)
      t.equal(Reflect.get({}, 'admin'), undefined)
      t.strictSame(session.get('__proto__'), { admin: true })
      t.equal(session.get('toString'), undefined)
      t.equal(session.has('hasOwnProperty'), false)
      session.set('b', 1)
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  store.edit = (record) => ({ ...record, values: JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"a":1}') })
  t.equal((await browser.get('/look')).statusCode, 200)
  t.equal(Reflect.get({}, 'admin'), undefined)
})

t.test('the cookie is not lost, nor the session saved twice, when another plugin\'s onSend throws', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.register(async (child) => {
      child.addHook('onSend', async () => { throw new Error('another plugin') })
      child.post('/child', async (request) => { anySession(request).set('a', 1); return 'ok' })
    })
  })
  const browser = new Browser(app)
  const answer = await browser.post('/child')
  t.equal(answer.statusCode, 500)
  t.equal(setCookies(answer, NAME).length, 1)
  t.strictSame(store.takeCalls(), ['create'])
  t.strictSame((await browser.session()).values, { a: 1 })
})

t.test('a save that failed is not tried again when another plugin\'s onSend throws', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.register(async (child) => {
      child.addHook('onSend', async () => { throw new Error('another plugin') })
      child.post('/child', async (request) => { anySession(request).set('a', 1); return 'ok' })
    })
  })
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/child' })
  t.ok(answer.statusCode >= 500)
  t.strictSame(setCookies(answer), [])
  t.strictSame(store.takeCalls(), ['create'])
})
