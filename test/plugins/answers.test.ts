import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { getSession } from '../../src/session/opened.js'
import { anySession, Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

/** Routes that answer in each way there is, having set a value. */
function addAnswers (app: FastifyInstance): void {
  const put = (request: { session: object }): void => anySession(request as never).set('a', 1)
  app.get('/200', async (request) => { put(request); return { ok: true } })
  app.get('/201', async (request, reply) => { put(request); return await reply.code(201).send('created') })
  app.get('/204', async (request, reply) => { put(request); return await reply.code(204).send() })
  app.get('/302', async (request, reply) => { put(request); return await reply.redirect('/200') })
  app.get('/304', async (request, reply) => { put(request); return await reply.code(304).send() })
  app.get('/400', async (request, reply) => { put(request); return await reply.code(400).send({ bad: true }) })
  app.get('/500', async (request, reply) => { put(request); return await reply.code(500).send('sorry') })
  app.get('/thrown', async (request) => { put(request); throw new Error('thrown') })
  app.get('/thrown-404', async (request) => { put(request); throw Object.assign(new Error('missing'), { statusCode: 404 }) })
  app.get('/rejected', (request, reply) => { put(request); reply.send(new Error('rejected')) })
  app.get('/stream', (request, reply) => { put(request); reply.send(Readable.from(['one', 'two'])) })
  app.get('/web-stream', async (request) => { put(request); return new Response('web').body })
  app.get('/response', async (request) => { put(request); return new Response('response', { status: 203, headers: { 'x-mine': 'yes' } }) })
  app.get('/buffer', async (request) => { put(request); return Buffer.from('buffer') })
  app.get('/call-not-found', (request, reply) => { put(request); reply.callNotFound() })
  app.get('/validated', { schema: { querystring: { type: 'object', required: ['q'] } }, preValidation: async (request) => put(request) }, async () => 'never')
  app.get('/early', { onRequest: async (request, reply) => { put(request); return await reply.code(429).send('slow down') } }, async () => 'never')
  app.setNotFoundHandler(async (request, reply) => { put(request); return await reply.code(404).send('nothing here') })
}

const answers: Record<string, number> = {
  '/200': 200, '/201': 201, '/204': 204, '/302': 302, '/304': 304, '/400': 400, '/500': 500, '/thrown': 500, '/thrown-404': 404, '/rejected': 500, '/stream': 200, '/web-stream': 200, '/response': 203, '/buffer': 200, '/call-not-found': 404, '/validated': 400, '/early': 429, '/no-such-route': 404
}

for (const [url, status] of Object.entries(answers)) {
  t.test(`changes are saved, and the cookie is sent, with the answer of ${url}`, async (t) => {
    const { app, store } = await openApp(t, { routes: addAnswers })
    const browser = new Browser(app)
    const answer = await browser.get(url)
    t.equal(answer.statusCode, status)
    t.equal(setCookies(answer, NAME).length, 1)
    t.equal(setCookies(answer).length, 1)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(answer.headers['vary'], 'Cookie')
    t.strictSame(store.takeCalls(), ['create'])
    t.strictSame((await browser.session()).values, { a: 1 })
  })
}

t.test('a HEAD request saves and sends the cookie like its GET', async (t) => {
  const { app } = await openApp(t, { routes: addAnswers })
  for (const url of ['/200', '/stream', '/302']) {
    const browser = new Browser(app)
    const answer = await browser.send('HEAD', url)
    t.equal(answer.body, '')
    t.equal(setCookies(answer, NAME).length, 1, url)
    t.strictSame((await browser.session()).values, { a: 1 })
  }
})

t.test('reload discards the changes, and the error answer that follows saves nothing', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/try', async (request) => {
      const session = anySession(request)
      session.set('old', 'changed')
      session.set('new', 1)
      session.options({ maxAge: 77 })
      await session.reload()
      t.strictSame(session.values, { old: '1' })
      t.equal(session.isModified(), false)
      t.equal(session.isSaved(), true)
      throw new Error('transaction rolled back')
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  store.takeCalls()
  t.equal((await browser.post('/try')).statusCode, 500)
  t.notOk(store.takeCalls().includes('create'))
  t.strictSame((await browser.session()).values, { old: '1' })
})

t.test('reload shows what another request has written meanwhile', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/look', async (request) => {
      const session = anySession(request)
      await browser.post('/set/other/1')
      t.equal(session.get('other'), undefined)
      await session.reload()
      t.equal(session.get('other'), '1')
      return 'seen'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  t.equal((await browser.copy().post('/look')).statusCode, 200)
})

for (const [title, headers, vary] of [
  ['none', {}, 'Cookie'],
  ['one', { vary: 'Accept-Encoding' }, 'Accept-Encoding, Cookie'],
  ['several', { vary: 'Origin,  Accept' }, 'Origin, Accept, Cookie'],
  ['Cookie already', { vary: 'Origin, cookie' }, 'Origin, cookie'],
  ['*', { vary: '*' }, '*']
] as const) {
  t.test(`Vary: Cookie is added to a Vary of ${title}, and no-store replaces what the handler set`, async (t) => {
    const { app } = await openApp(t, {
      routes: (app) => app.get('/page', async (request, reply) => {
        anySession(request).set('a', 1)
        return await reply.headers({ ...headers, 'cache-control': 'public, max-age=3600' }).send('page')
      })
    })
    const browser = new Browser(app)
    const first = await browser.get('/page')
    t.equal(first.headers['vary'], vary)
    t.equal(first.headers['cache-control'], 'no-store')
    const second = await browser.get('/page')
    t.strictSame(setCookies(second), [])
    t.equal(second.headers['cache-control'], 'public, max-age=3600', 'without a cookie it is the handler\'s')
  })
}

t.test('a Response of the handler cannot undo no-store, Vary or the cookie of the session', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/response', async (request) => {
      anySession(request).set('a', 1)
      return new Response('body', { status: 203, headers: [['cache-control', 'public, max-age=3600'], ['vary', 'Accept'], ['set-cookie', 'other=1'], ['set-cookie', 'third=2'], ['x-mine', 'yes']] })
    })
  })
  const answer = await app.inject('/response')
  t.equal(answer.statusCode, 203)
  t.equal(answer.body, 'body')
  t.equal(answer.headers['x-mine'], 'yes')
  t.equal(answer.headers['cache-control'], 'no-store')
  t.equal(answer.headers['vary'], 'Accept, Cookie')
  t.strictSame(setCookies(answer).map(({ name }) => name).toSorted(), [NAME, 'other', 'third'].toSorted())
})

t.test('a Response without a body keeps its status', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/response', async (request) => {
      anySession(request).set('a', 1)
      return new Response(null, { status: 204 })
    })
  })
  const answer = await app.inject('/response')
  t.equal(answer.statusCode, 204)
  t.equal(setCookies(answer, NAME).length, 1)
})

t.test('there is one Set-Cookie of our name, whatever one request does', async (t) => {
  const acts: Record<string, (app: FastifyInstance) => unknown> = {
    'login, regenerate and save': (app) => app.post('/act', async (request) => {
      request.session.setUserId('ada')
      await request.session.save()
      await request.session.regenerate()
      anySession(request).set('a', 1)
      await request.session.save()
      anySession(request).set('b', 1)
      return 'ok'
    }),
    'refresh by hand, twice, and by the hook': (app) => app.post('/act', async (request, reply) => {
      request.session.setUserId('ada')
      await app.sessions.refresh(request, reply)
      await app.sessions.regenerate(request, reply)
      await app.sessions.refresh(request, reply)
      anySession(request).set('b', 1)
      return 'ok'
    }),
    'refresh by hand and other attributes after it': (app) => app.post('/act', async (request, reply) => {
      request.session.setUserId('ada')
      await app.sessions.refresh(request, reply)
      request.session.options({ sameSite: 'strict', maxAge: 99 })
      await app.sessions.refresh(request, reply)
      request.session.options({ maxAge: 98 })
      return 'ok'
    }),
    'end by hand and sign in after it': (app) => app.post('/act', async (request, reply) => {
      await app.sessions.destroy(request, reply)
      request.session.setUserId('ada')
      return 'ok'
    })
  }
  for (const [act, routes] of Object.entries(acts)) {
    const { app } = await openApp(t, {
      routes: (app) => {
        routes(app)
        app.addHook('onSend', async (_, reply) => { void reply.setCookie('other', 'kept') })
      }
    })
    const browser = new Browser(app)
    await browser.post('/set/old/1')
    const answer = await browser.post('/act')
    t.equal(answer.statusCode, 200, act)
    t.equal(setCookies(answer, NAME).length, 1, act)
    t.equal((await browser.session()).userId, 'ada', act)
  }
})

t.test('other cookies of the answer stay, before and after ours', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/act', async (request, reply) => {
      void reply.setCookie('before', '1').header('set-cookie', 'raw=1')
      request.session.setUserId('ada')
      await app.sessions.refresh(request, reply)
      void reply.setCookie(`${NAME}2`, '2').setCookie('after', '2')
      anySession(request).set('a', 1)
      return 'ok'
    })
  })
  const answer = await app.inject({ method: 'POST', url: '/act' })
  t.strictSame(setCookies(answer).map(({ name }) => name).toSorted(), ['raw', 'before', 'after', NAME, `${NAME}2`].toSorted())
})

t.test('a change after the answer has left is refused, and update still commits', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => {
      app.get('/stream', async (request, reply) => {
        const session = anySession(request)
        return await reply.send(Readable.from((async function * () {
          t.throws(() => { session.set('late', 1) }, { code: 'ERR_SESSION_ANSWERED' })
          t.throws(() => { session.delete('old') }, { code: 'ERR_SESSION_ANSWERED' })
          t.throws(() => { session.delete() }, { code: 'ERR_SESSION_ANSWERED' })
          t.throws(() => { session.setUserId('eve') }, { code: 'ERR_SESSION_ANSWERED' })
          yield String(await session.update('old', (value) => `${String(value)}!`))
        })()))
      })
    }
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  t.equal((await browser.get('/stream')).body, '1!')
  t.match(await browser.session(), { userId: null, values: { old: '1!' } })
})

t.test('a hijacked reply saves by itself, over a real connection', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/hijack', (request, reply) => {
      reply.hijack()
      anySession(request).set('a', 1)
      anySession(request).save().then(() => {
        reply.raw.writeHead(200, ['content-type', 'text/plain'])
        reply.raw.write('one ')
        anySession(request).set('b', 2)
        return anySession(request).save()
      }).then(() => reply.raw.end('two'), (error: unknown) => reply.raw.destroy(error as Error))
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  await app.listen()
  const { port } = app.server.address() as AddressInfo
  const call = httpRequest({ port, host: 'localhost', method: 'POST', path: '/hijack', headers: { cookie: browser.header } }).end()
  const [answer] = await once(call, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  t.equal(Buffer.concat(chunks).toString(), 'one two')
  t.strictSame((await browser.session()).values, { old: '1', a: 1, b: 2 })
})

t.test('a handler that answers with reply.raw alone loses no save it has asked for', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/raw', async (request, reply) => {
      anySession(request).set('a', 1)
      await anySession(request).save()
      reply.raw.end('raw')
      return reply
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  t.equal((await browser.get('/raw')).body, 'raw')
  t.strictSame((await browser.session()).values, { old: '1', a: 1 })
})

t.test('save() calls at once on one session write each change once', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/save', async (request) => {
      const session = anySession(request)
      session.set('a', 1)
      const first = session.save()
      session.set('b', 2)
      const second = session.save()
      session.set('a', 3)
      await Promise.all([first, second, session.save()])
      t.equal(session.isSaved(), true)
      return session.values
    })
  })
  const browser = new Browser(app)
  const answer = await browser.post('/save')
  t.strictSame(answer.json(), { a: 3, b: 2 })
  t.equal(store.takeCalls().filter((method) => method === 'create').length, 1)
  t.strictSame((await browser.session()).values, { a: 3, b: 2 })
})

t.test('what is set while a save is under way stays pending and is saved with the answer', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/save', async (request) => {
      const session = anySession(request)
      session.set('a', 1)
      session.set('gone', 1)
      store.before = () => {
        store.mend()
        session.set('a', 2)
        session.delete('gone')
        session.set('b', 1)
      }
      await session.save()
      t.equal(session.isModified(), true)
      t.strictSame(session.values, { a: 2, b: 1 })
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/save')
  t.strictSame((await browser.session()).values, { a: 2, b: 1 })
})

t.test('concurrent requests that set different keys lose none; of one key the last wins', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/set/same/first')
  await Promise.all(Array.from({ length: 100 }, (_, n) => browser.copy().post(`/set/k${n}/${n}`)))
  await browser.post('/set/same/last')
  const { values } = await browser.session()
  t.equal(Object.keys(values).length, 101)
  t.equal(values['same'], 'last')
})

t.test('a route with session: false has none: no query, no hook, and getSession throws ERR_NO_SESSION', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => {
      app.get('/health', { config: { session: false } }, async (request) => ({ session: request.session }))
      app.get('/get', { config: { session: false } }, async (request) => getSession(request).id)
      app.get('/by-hand', { config: { session: false } }, async (request, reply) => {
        const session = await app.sessions.start(request, reply)
        t.equal(await app.sessions.start(request, reply), session)
        t.equal(getSession(request), session)
        return session.userId
      })
    }
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.takeCalls()
  t.strictSame((await browser.get('/health')).json(), { session: null })
  const refused = await browser.get('/get')
  t.equal(refused.statusCode, 401)
  t.equal(refused.json().code, 'ERR_NO_SESSION')
  t.strictSame(store.takeCalls(), [])
  t.equal((await browser.get('/by-hand')).body, 'ada')
})

t.test('start gives the same session as the request has, and getSession too', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/same', async (request, reply) => {
      t.equal(await app.sessions.start(request, reply), request.session)
      t.equal(getSession(request), request.session)
      return 'same'
    })
  })
  t.equal((await app.inject('/same')).statusCode, 200)
})

t.test('the decorator option names the request property', async (t) => {
  const { app } = await openApp(t, {
    options: { decorator: 'appSession' },
    routes: (app) => {
      app.decorateRequest('taken', null)
      app.get('/here', async (request) => {
        t.equal(getSession(request), request.getDecorator('appSession'))
        t.notOk(app.hasRequestDecorator('session'))
        getSession<{ a: number }>(request).set('a', 1)
        return 'ok'
      })
    }
  })
  const answer = await app.inject('/here')
  t.equal(answer.statusCode, 200, answer.body)
  t.equal(setCookies(answer, NAME).length, 1)
})

t.test('sending the session itself to a client tells neither keys nor hashes', async (t) => {
  const { app } = await openApp(t, { routes: (app) => app.get('/oops', async (request) => request.session) })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { body } = await browser.get('/oops')
  t.notMatch(body, /authKey|Buffer|secret|host/i)
  t.ok(body.length < 2_000)
})

t.test('no method shows up among the keys of a session', async (t) => {
  const { app } = await openApp(t, { routes: (app) => app.get('/keys', async (request) => Object.keys(request.session)) })
  t.strictSame((await app.inject('/keys')).json(), [])
})
