import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { newSession } from '../../src/testing/fixtures.js'
import { Signals } from '../../src/session/signals.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { anySession, Browser, gate, openApp, until, type AnySession, type TestApp } from '../helpers/session-app.js'
import { standingClock } from '../helpers/memory-harness.js'
import { ProbedStore } from '../helpers/session-store.js'

/** A signed-in browser with a request under way that watches its session, as a WebSocket or a stream does. */
async function watching (t: Test, options: object = {}): Promise<TestApp & { owner: Browser, signal: AbortSignal, session: AnySession, end: () => Promise<unknown> }> {
  const held = gate()
  let session: AnySession | undefined
  const opened = await openApp(t, {
    options,
    routes: (app) => app.get('/watch', async (request) => {
      session = anySession(request)
      void session.signal
      await held.opened
      return 'over'
    })
  })
  const owner = new Browser(opened.app)
  await owner.post('/login/ada')
  const answer = owner.copy().get('/watch')
  t.teardown(() => held.open())
  await until(() => session !== undefined, 'the request is under way')
  if (session === undefined) throw new Error('no session')
  return { ...opened, owner, session, signal: session.signal, end: async () => { held.open(); return await answer } }
}

const endings: Record<string, { end: (app: TestApp['app'], owner: Browser) => Promise<unknown>, reason: RegExp }> = {
  'destroy in another request': { end: (_, owner) => owner.post('/destroy'), reason: /ended/ },
  'a sign-out in another request': { end: (_, owner) => owner.post('/logout'), reason: /ended/ },
  'a sign-in in another request': { end: (_, owner) => owner.post('/login/bob'), reason: /ended/ },
  'Manager.end': { end: async (app, owner) => await app.sessions.end((await owner.session()).id), reason: /ended/ },
  'Manager.endAll': { end: async (app) => await app.sessions.endAll('ada'), reason: /ended/ },
  'Manager.block': { end: async (app, owner) => await app.sessions.block((await owner.session()).id, 'stolen'), reason: /blocked/ }
}

for (const [title, { end, reason }] of Object.entries(endings)) {
  t.test(`signal: fires on ${title}`, async (t) => {
    const { app, owner, signal, end: over } = await watching(t)
    t.equal(signal.aborted, false)
    await end(app, owner)
    t.equal(signal.aborted, true)
    t.match(signal.reason, { name: 'AbortError', message: reason })
    await over()
  })
}

t.test('signal: does not fire on what leaves the session alive', async (t) => {
  const { app, owner, signal, session, end } = await watching(t)
  await owner.post('/set/a/1')
  await owner.get('/plain')
  await owner.post('/regenerate')
  t.equal(await app.sessions.end('00000000-0000-4000-8000-000000000000'), false)
  await app.sessions.endAll('bob')
  await app.sessions.setClaims('ada', { isAdmin: true })
  await app.sessions.endAll('ada', { except: (await owner.session()).id })
  t.equal(signal.aborted, false)
  t.equal(session.signal, signal, 'the same one')
  await app.sessions.end((await owner.session()).id)
  t.equal(signal.aborted, true, 'and it follows the session through a regenerate')
  await end()
})

t.test('signal: fires when the session ends in its own request', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/act', async (request) => {
      const { signal } = request.session
      t.equal(signal.aborted, false)
      await request.session.destroy()
      t.equal(signal.aborted, true)
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  t.equal((await browser.post('/act')).statusCode, 200)
})

t.test('signal: fires though the session ended between its load and the first use of the signal', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/act', async (request) => {
      await app.sessions.end(request.session.id)
      const { signal } = request.session
      await until(() => signal.aborted, 'it fires')
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  t.equal((await browser.get('/act')).statusCode, 200)
})

t.test('signal: of a session that is stored by this request is that of the stored one', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/act', async (request) => {
      const session = anySession(request)
      t.equal(session.signal.aborted, false, 'what is not stored does not end')
      session.set('a', 1)
      await session.save()
      const visitors = session.signal
      t.equal(visitors.aborted, false)
      session.setUserId('ada')
      await session.save()
      t.equal(visitors.aborted, true, 'the visitor\'s session is over')
      t.equal(session.signal.aborted, false, 'the user\'s is not')
      const users = session.signal
      await session.regenerate()
      t.equal(session.signal, users)
      await app.sessions.endAll('ada')
      t.equal(users.aborted, true)
      return 'ok'
    })
  })
  t.equal((await app.inject({ method: 'POST', url: '/act' })).statusCode, 200)
})

t.test('signal: is let go when the reply closes', async (t) => {
  const { app, owner, signal, end } = await watching(t)
  await end()
  await app.sessions.endAll('ada')
  t.equal((await owner.session()).userId, null)
  t.equal(signal.aborted, false)
})

t.test('signal: is let go when a stream has ended', async (t) => {
  const body = new PassThrough()
  let signal: AbortSignal | undefined
  const { app } = await openApp(t, {
    routes: (app) => app.get('/stream', (request, reply) => {
      signal = request.session.signal
      reply.send(body)
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const answer = browser.copy().get('/stream')
  body.write('one ')
  await until(() => signal !== undefined, 'the stream is under way')
  body.end('two')
  t.equal((await answer).body, 'one two')
  await app.sessions.endAll('ada')
  t.equal(signal?.aborted, false)
})

/** Signals over a store whose clock stands, and a session that lives `seconds` on. */
async function watchSession (seconds: number) {
  const clock = standingClock()
  const store = new ProbedStore(new MemoryStore({ clock: clock.now }))
  const { id, secretHash } = await store.create(newSession({ idleSeconds: seconds }))
  const signals = new Signals(store)
  return { clock, store, id, secretHash, signals }
}

t.test('signal: fires when the session expires, by the store\'s clock', async (t) => {
  const { clock, store, id, signals } = await watchSession(0.02)
  const { signal } = signals.watch(id)
  await until(() => store.calls.filter((method) => method === 'get').length >= 3, 'it has looked, and looked again: the clock stands')
  t.equal(signal.aborted, false)
  clock.advance(0.02)
  await until(() => signal.aborted, 'it fires')
  t.match(signal.reason, { name: 'AbortError', message: /expired/ })
})

t.test('signal: waits on when the session was used meanwhile, or the storage is away', async (t) => {
  const { store, id, secretHash, signals, clock } = await watchSession(0.02)
  store.break('get')
  const { signal } = signals.watch(id)
  await until(() => store.calls.includes('get'), 'it has looked')
  store.mend()
  await store.save(id, secretHash, { set: {}, unset: [], idleSeconds: 60 })
  clock.advance(1)
  t.equal(signal.aborted, false)
  signals.close()
})

t.test('signal: fires when it is told that all sessions may have ended, and this one has', async (t) => {
  const { store, id, signals } = await watchSession(60)
  const { signal } = signals.watch(id)
  const other = signals.watch((await store.create(newSession())).id)
  store.takeCalls()
  signals.noteRevoked(null, 'ended')
  await until(() => store.calls.length === 2, 'the store was asked about each')
  t.equal(signal.aborted, false)
  await store.delete(id)
  signals.noteRevoked(null, 'ended')
  await until(() => signal.aborted, 'it fires')
  t.equal(other.signal.aborted, false)
  signals.close()
})

t.test('signal: the end of the old id, told while a renewal is under way, fires nothing if it succeeds, and all if it fails', async (t) => {
  for (const succeeds of [true, false]) {
    const { store, id, secretHash, signals } = await watchSession(60)
    const { signal } = signals.watch(id)
    const renew = { id: newSession().id, secretHash, keep: [] }
    const renewing = signals.following(id, async () => {
      const renewed = await store.save(id, secretHash, { set: {}, unset: [], idleSeconds: 60, renew })
      signals.noteRevoked(id, 'ended')
      signals.noteRevoked(id, 'changed')
      if (renewed === null || !succeeds) throw new Error('the answer was lost')
      return renewed
    })
    t.equal(signal.aborted, false)
    await renewing.catch(() => {})
    store.takeCalls()
    signals.noteRevoked(renew.id, 'changed')
    if (succeeds) await until(() => store.calls.length === 1, 'it is asked about under its new id')
    t.equal(signal.aborted, !succeeds)
    signals.close()
  }
})

t.test('signal: none fires after close or release', async (t) => {
  const { id, signals } = await watchSession(0.02)
  const one = signals.watch(id)
  const two = signals.watch(id)
  one.release()
  one.release()
  signals.fire(id, 'ended')
  t.equal(one.signal.aborted, false)
  t.equal(two.signal.aborted, true)
  const three = signals.watch(id)
  signals.close()
  signals.fire(id, 'ended')
  t.equal(three.signal.aborted, false)
})
