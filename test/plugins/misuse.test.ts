import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createManager, createSealer, migrate, PostgresStore } from '../../src/index.js'
import type { Manager } from '../../src/index.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { anySession, Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

const authKey = randomBytes(32)

t.test('two managers on one request each keep a session of their own', async (t) => {
  const carts = createManager(new MemoryStore(), { authKey, sessionName: '__Host-cart', cleanupInterval: 0 })
  t.teardown(() => carts.close())
  const { app } = await openApp(t, {
    routes: (app) => app.post('/both', async (request, reply) => {
      anySession(request).set('a', 1)
      const cart = await carts.start(request, reply)
      anySession({ session: cart }).set('item', 2)
      await carts.refresh(request, reply)
      return { plugin: request.session.values, cart: cart.values }
    })
  })
  const browser = new Browser(app)
  const answer = await browser.post('/both')
  t.strictSame(setCookies(answer).map(({ name }) => name).sort(), ['__Host-cart', NAME].sort())
  t.strictSame((await browser.session()).values, { a: 1 })
})

t.test('start gives one and the same session to calls at once, and loads it once', async (t) => {
  const manager: Manager = createManager(new MemoryStore(), { authKey, cleanupInterval: 0 })
  t.teardown(() => manager.close())
  const { app } = await openApp(t, {
    routes: (app) => app.post('/start', { config: { session: false } }, async (request, reply) => {
      const [one, two] = await Promise.all([manager.start(request, reply), manager.start(request, reply)])
      t.equal(one, two)
      anySession({ session: one }).set('a', 1)
      anySession({ session: two }).set('b', 2)
      await manager.refresh(request, reply)
      return one.values
    })
  })
  const browser = new Browser(app)
  await browser.post('/start')
  t.strictSame((await browser.post('/start')).json(), { a: 1, b: 2 })
})

t.test('a reload that fails discards nothing: no value of a new user reaches the row of the old one', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/change', async (request) => {
      const session = anySession(request)
      session.setUserId('bob')
      session.set('cartOfBob', 1)
      store.break('get')
      await t.rejects(session.reload(), { code: 'ERR_STORE' })
      store.mend()
      return session.userId
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/secretOfAda/1')
  const ada = browser.copy()
  t.equal((await browser.post('/change')).body, 'bob')
  t.match(await browser.session(), { userId: 'bob', values: { cartOfBob: 1 } })
  t.equal((await browser.session()).values['secretOfAda'], undefined)
  t.match(await ada.session(), { isNew: true })
})

t.test('what would need a new cookie after the answer is refused, and leaves the old one alive', async (t) => {
  const late: unknown[] = []
  const { app, store } = await openApp(t, {
    routes: (app) => {
      app.post('/late', async (request, reply) => {
        const session = anySession(request)
        await reply.send('answered')
        for (const act of [() => session.regenerate(), () => session.update('n', () => 1)]) late.push(await act().then(() => 'done', (error: { code: string }) => error.code))
        return reply
      })
      app.post('/chain', async (request) => {
        const session = anySession(request)
        session.regenerate().then(async () => { await session.regenerate() }).catch((error: { code: string }) => { late.push(error.code) })
        return 'at once'
      })
    }
  })
  await app.inject({ method: 'POST', url: '/late' })
  t.strictSame(late.splice(0), ['ERR_SESSION_ANSWERED', 'ERR_SESSION_ANSWERED'], 'a visitor')
  t.notOk(store.takeCalls().includes('create'), 'no row that nobody holds')
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/late')
  t.strictSame(late.splice(0), ['ERR_SESSION_ANSWERED', 'done'], 'a stored session can still be updated')
  t.match(await browser.session(), { userId: 'ada' })
  await browser.post('/chain')
  t.strictSame(late.splice(0), ['ERR_SESSION_ANSWERED'])
  t.match(await browser.session(), { userId: 'ada' })
})

t.test('an asynchronous update is refused, and its rejection ends nothing', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/async', async (request) => {
      const fail = async (): Promise<never> => { throw new Error('late') }
      await t.rejects(anySession(request).update('n', fail), { code: 'ERR_SESSION_VALUE', key: 'n', message: /at once/ })
      return {}
    })
  })
  t.equal((await app.inject({ method: 'POST', url: '/async' })).statusCode, 200)
})

t.test('listeners on the signals of visitors do not gather on one signal', async (t) => {
  const signals = new Set<AbortSignal>()
  const { app } = await openApp(t, {
    routes: (app) => app.get('/listen', async ({ session }) => {
      signals.add(session.signal)
      t.equal(session.signal, session.signal)
      t.equal(session.signal.aborted, false)
      return {}
    })
  })
  for (let i = 0; i < 3; i++) await app.inject('/listen')
  t.equal(signals.size, 3)
})

t.test('a session that is destroyed and then given options has its cookie cleared', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/end', async ({ session }) => {
      await session.destroy()
      session.options({ sameSite: 'strict' })
      return {}
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  t.match(setCookies(await browser.post('/end')), [{ name: NAME, value: '', attributes: { 'Max-Age': '0' } }])
})

t.test('session.options refuses a path or domain of its own: two cookies of one session would shut the user out', async (t) => {
  const { app } = await openApp(t, {
    options: { sessionName: 'sid' },
    routes: (app) => app.get('/options', async ({ session }) => {
      for (const [name, value] of [['path', '/app'], ['domain', 'app.example.com']]) {
        t.throws(() => { session.options({ [name ?? '']: value }) }, { name: 'TypeError', message: new RegExp(`"${name}"`) })
      }
      session.options({ path: '/' })
      return {}
    })
  })
  t.equal((await app.inject('/options')).statusCode, 200)
})

t.test('delete of a key that is undefined ends nothing', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/delete', async ({ session }) => {
      t.throws(() => { Reflect.apply(session.delete, session, [undefined]) }, { code: 'ERR_SESSION_VALUE' })
      return {}
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/delete')
  t.match(await browser.session(), { userId: 'ada' })
})

t.test('denial of service: a small value that shares its parts is refused in a moment, not walked for ever', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/bomb', async (request) => {
      let bomb: unknown = 1
      for (let i = 0; i < 31; i++) bomb = [bomb, bomb]
      t.throws(() => { anySession(request).set('bomb', bomb) }, { code: 'ERR_SESSION_VALUE' })
      return {}
    })
  })
  t.equal((await app.inject('/bomb')).statusCode, 200)
})

t.test('onStoreError anonymous also covers the end of a spoilt row', async (t) => {
  const { app, store } = await openApp(t, { options: { onStoreError: 'anonymous' } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.edit = (record) => ({ ...record, values: [] as unknown as Record<string, never> })
  store.break('delete')
  t.match(await browser.get('/'), { statusCode: 200 })
})

t.test('the manager refuses what would end or say the wrong thing', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { id } = await browser.session()
  await t.rejects(app.sessions.endAll('ada', { except: id.toUpperCase() }), { name: 'TypeError', message: /except/ })
  t.equal((await app.sessions.list('ada')).length, 1)
  for (const reason of ['a\0b', 'x'.repeat(201), undefined]) {
    await t.rejects(async () => { await Reflect.apply(app.sessions.block, app.sessions, [id, reason]) }, { name: 'TypeError', message: /reason/ })
  }
  t.match(await browser.session(), { userId: 'ada' })
})

t.test('what listens to a manager ends with it', async (t) => {
  const manager = createManager(new MemoryStore(), { authKey, cleanupInterval: 0 })
  let heard = 0
  manager.on('cleanup', () => { heard++ })
  await manager.cleanup()
  await manager.close()
  await manager.cleanup()
  t.equal(heard, 1)
})

t.test('every door names what it was given wrong', async (t) => {
  const cases: [string, () => unknown, RegExp][] = [
    ['createManager without a store', () => Reflect.apply(createManager, null, [undefined, { authKey }]), /"store"/],
    ['createManager with an object', () => Reflect.apply(createManager, null, [{}, { authKey }]), /method "create"/],
    ['createManager without options', () => Reflect.apply(createManager, null, [new MemoryStore()]), /options/],
    ['a sealer without methods', () => Reflect.apply(createManager, null, [new MemoryStore(), { authKey, sealer: {} }]), /"sealer"/],
    ['a log without methods', () => Reflect.apply(createManager, null, [new MemoryStore(), { authKey, log: 5 }]), /"log"/],
    ['PostgresStore without options', () => Reflect.construct(PostgresStore, []), /options/],
    ['MemoryStore with null', () => Reflect.construct(MemoryStore, [null]), /options/],
    ['migrate without options', async () => await Reflect.apply(migrate, null, []), /options/],
    ['createSealer without a name', async () => await Reflect.apply(createSealer, null, [{ encryptionKey: authKey, absoluteMaxAge: 1 }]), /"cookieName"/],
    ['createSealer without an age', async () => await Reflect.apply(createSealer, null, [{ encryptionKey: authKey, cookieName: 'sid' }]), /"absoluteMaxAge"/],
    ['an encryptionKey that is undefined', async () => await openApp(t, { options: Object.fromEntries([['encryptionKey', undefined]]) }), /"encryptionKey"/],
    ['a misspelt onStoreError of a route', async () => await openApp(t, { routes: (app) => app.get('/x', { config: JSON.parse('{"onStoreError":"anonymus"}') }, () => {}) }), /onStoreError of \/x/],
    ['a text as session of a route', async () => await openApp(t, { routes: (app) => app.get('/x', { config: JSON.parse('{"session":"false"}') }, () => {}) }), /session of \/x/]
  ]
  for (const [title, door, message] of cases) await t.rejects(async () => { await door() }, { name: 'TypeError', message }, title)
})
