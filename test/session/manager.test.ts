import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t from 'tap'
import type { Log } from '../../src/session/http.js'
import { createManager } from '../../src/session/session-manager.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { anySession, Browser, openApp, setCookies, until } from '../helpers/session-app.js'
import { ProbedStore } from '../helpers/session-store.js'

const KEY = randomBytes(32)

t.test('createManager works without the plugin, with start and refresh by hand', async (t) => {
  const store = new ProbedStore(new MemoryStore())
  const manager = createManager(store, { authKey: KEY, cleanupInterval: 0, secure: false })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  app.post('/count', async (request, reply) => {
    const session = await manager.start(request, reply)
    t.equal(await manager.start(request, reply), session)
    const visits = await session.update('visits', (n = 0) => n + 1)
    await manager.refresh(request, reply)
    return { visits }
  })
  app.post('/leave', async (request, reply) => {
    await manager.destroy(request, reply)
    return 'left'
  })
  app.post('/nothing', async (request, reply) => {
    await manager.refresh(request, reply)
    return 'nothing'
  })
  const browser = new Browser(app)
  t.equal((await browser.post('/nothing')).statusCode, 200)
  t.strictSame(store.takeCalls(), [])
  t.strictSame((await browser.post('/count')).json(), { visits: 1 })
  t.strictSame((await browser.post('/count')).json(), { visits: 2 })
  t.match(setCookies(await browser.post('/leave')), [{ name: 'sid', value: '' }])
  t.strictSame((await browser.post('/count')).json(), { visits: 1 })
  await manager.close()
  t.equal(store.closed, 1)
})

t.test('an id that is no UUID ends and blocks nothing, without a call of the store', async (t) => {
  const { app, store } = await openApp(t)
  for (const id of ['', 'x', "' OR 1=1", '\0', '../x', '00000000-0000-4000-8000-00000000000', '00000000-0000-4000-8000-0000000000000', 'a'.repeat(10_000)]) {
    t.equal(await app.sessions.end(id), false)
    t.equal(await app.sessions.block(id, 'why'), false)
    t.equal(await app.sessions.unblock(id), false)
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('an id in capitals names no session, in any store', async (t) => {
  const { app, store } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { id } = await browser.session()
  store.takeCalls()
  t.equal(await app.sessions.end(id.toUpperCase()), false)
  t.strictSame(store.takeCalls(), [])
  t.equal((await browser.session()).userId, 'ada')
})

t.test('a user id that is no text is refused by list, endAll and setClaims', async (t) => {
  const { app, store } = await openApp(t)
  for (const userId of ['', '\0', 'a'.repeat(257), null, 5, undefined]) {
    await t.rejects(app.sessions.list(userId as string), { name: 'TypeError' })
    await t.rejects(app.sessions.endAll(userId as string), { name: 'TypeError' })
    await t.rejects(app.sessions.setClaims(userId as string, {}), { name: 'TypeError' })
  }
  await t.rejects(app.sessions.setClaims('ada', { at: new Date() as unknown as string }), { code: 'ERR_SESSION_VALUE' })
  t.strictSame(store.takeCalls(), [])
})

t.test('ending one device leaves the others, ending all but this leaves this', async (t) => {
  const { app } = await openApp(t)
  const devices = Array.from({ length: 4 }, () => new Browser(app))
  for (const device of devices) await device.post('/login/ada')
  const bob = new Browser(app)
  await bob.post('/login/bob')
  const ids = await Promise.all(devices.map(async (device) => (await device.session()).id))
  const living = async (): Promise<boolean[]> => await Promise.all(devices.map(async (device) => (await device.session()).userId === 'ada'))
  t.equal((await app.sessions.list('ada')).length, 4)
  t.equal(await app.sessions.end(ids[0] ?? ''), true)
  t.strictSame(await living(), [false, true, true, true])
  t.equal(await app.sessions.endAll('ada', { except: ids[2] ?? '' }), 2)
  t.strictSame(await living(), [false, false, true, false])
  t.equal(await app.sessions.endAll('ada'), 1)
  t.equal(await app.sessions.endAll('ada'), 0)
  t.equal((await bob.session()).userId, 'bob')
})

t.test('a blocked session refuses everything, is kept, and works again when unblocked', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/a/1')
  const { id } = await browser.session()
  t.equal(await app.sessions.block(id, 'stolen laptop'), true)
  const answer = await browser.get('/')
  t.match(answer.json(), { userId: null, isNew: true })
  t.strictSame(setCookies(answer), [])
  t.match(await app.sessions.list('ada'), [{ id, blockedReason: 'stolen laptop', blockedAt: Date }])
  t.equal(await app.sessions.unblock(id), true)
  t.match(await browser.session(), { id, userId: 'ada', values: { a: '1' } })
})

t.test('destroy ends the session that is blocked, too, for its cookie proves whose it is; a cookie that was replaced ends nothing', async (t) => {
  const { app, store } = await openApp(t)
  const told: string[] = []
  t.teardown(app.sessions.on('destroyed', ({ sessionId }) => { told.push(sessionId) }))
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { id } = await browser.session()
  const copy = browser.copy()
  await app.sessions.block(id, 'stolen laptop')
  t.match(setCookies(await browser.post('/destroy')), [{ value: '' }])
  t.strictSame(told, [id])
  t.equal(await app.sessions.unblock(id), false)
  t.match(await copy.session(), { isNew: true, userId: null })

  const bob = new Browser(app)
  await bob.post('/login/bob')
  const { id: kept } = await bob.session()
  const stale = bob.copy()
  const { secretHash = randomBytes(32) } = await store.get(kept) ?? {}
  await store.save(kept, secretHash, { set: {}, unset: [], idleSeconds: 60, renew: { id: kept, secretHash: randomBytes(32), keep: 'all' } })
  await app.sessions.block(kept, 'test')
  store.takeCalls()
  t.equal((await stale.post('/destroy')).statusCode, 200)
  t.strictSame([store.takeCalls(), told], [['get', 'delete'], [id]])
  t.equal(await app.sessions.unblock(kept), true)
})

t.test('I6: 50 users at once never see one another', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/work/:canary', async (request) => {
      const { canary } = request.params as { canary: string }
      const session = anySession(request)
      const before = session.get('canary')
      session.set('canary', canary)
      await session.update('n', (n) => Number(n ?? 0) + 1)
      return { user: session.userId, before: before ?? canary, now: session.get('canary') }
    })
  })
  await Promise.all(Array.from({ length: 50 }, async (_, n) => {
    const browser = new Browser(app)
    await browser.post(`/login/user${n}`)
    for (let round = 0; round < 10; round++) {
      t.strictSame((await browser.post(`/work/canary${n}`)).json(), { user: `user${n}`, before: `canary${n}`, now: `canary${n}` })
      if (round % 3 === 0) await browser.post(`/login/user${n}`)
    }
    t.equal((await browser.session()).values['n'], 10)
  }))
})

t.test('the cleanup timer removes what has expired, and tells the log of a failure', async (t) => {
  const waits: { fire: () => void, ms: number }[] = []
  t.intercept(globalThis, 'setTimeout', { value: (fire: () => void, ms: number) => { waits.push({ fire, ms }); return { unref () { return this } } } })
  t.intercept(globalThis, 'clearTimeout', { value: () => {} })
  const store = new ProbedStore(new MemoryStore())
  const failures: string[] = []
  const note = (_: object, message: string): void => { failures.push(message) }
  const log: Log = { debug: note, info: note, warn () {}, error: note }
  const manager = createManager(store, { authKey: KEY, cleanupInterval: 10, log })
  waits[0]?.fire()
  await until(() => waits.length === 2, 'the first run is over')
  t.strictSame(store.takeCalls(), ['cleanup'])
  store.break('cleanup')
  waits[1]?.fire()
  await until(() => waits.length === 3, 'the second run is over')
  t.match(failures, [/cleanup failed/])
  await manager.close()
  t.equal(createManager(store, { authKey: KEY, cleanupInterval: 0 }).store, store)
  t.equal(waits.length, 3, 'cleanupInterval 0: no timer')
})
