import t from 'tap'
import { anySession, Browser, gate, NAME, openApp, setCookies, type AnySession, type TestApp } from '../helpers/session-app.js'

type Teardown = Parameters<typeof openApp>[0]

/** An application with a slow route, which stops between loading its session and using it. */
async function openSlow (t: Teardown, act: (session: AnySession) => unknown): Promise<TestApp & { entered: Promise<void>, leave: () => void }> {
  const [entered, leave] = [gate(), gate()]
  const opened = await openApp(t, {
    routes: (app) => app.post('/slow', async (request, reply) => {
      entered.open()
      await leave.opened
      await act(anySession(request))
      return reply.code(201).header('x-mine', 'yes').send('the handler\'s own')
    })
  })
  return { ...opened, entered: entered.opened, leave: leave.open }
}

const endings: Record<string, (app: TestApp['app'], owner: Browser) => Promise<unknown>> = {
  'destroy in another request': (_, owner) => owner.post('/destroy'),
  'a sign-out in another request': (_, owner) => owner.post('/logout'),
  'a sign-in as somebody else': (_, owner) => owner.post('/login/bob'),
  'a sign-in as the same user': (_, owner) => owner.post('/login/ada'),
  'regenerate in another request': (_, owner) => owner.post('/regenerate'),
  'Manager.end': async (app, owner) => await app.sessions.end((await owner.session()).id),
  'Manager.endAll': async (app) => await app.sessions.endAll('ada'),
  'Manager.block': async (app, owner) => await app.sessions.block((await owner.session()).id, 'stolen'),
  'Store.delete': async (app, owner) => await app.sessions.store.delete((await owner.session()).id)
}

const writings: Record<string, (session: AnySession) => unknown> = {
  set: (session) => session.set('stale', 1),
  delete: (session) => session.delete('old'),
  touch: (session) => session.touch(),
  'options with a maxAge': (session) => session.options({ maxAge: 5_000 }),
  'delete() without a key': (session) => session.delete()
}

for (const [ending, end] of Object.entries(endings)) {
  t.test(`ended in flight by ${ending}: no late write brings the session back, none sends a cookie`, async (t) => {
    for (const [writing, write] of Object.entries(writings)) {
      const { app, clock, store, entered, leave } = await openSlow(t, write)
      const owner = new Browser(app)
      await owner.post('/login/ada')
      await owner.post('/set/old/1')
      const stale = owner.copy()
      const { id } = await stale.session()
      clock.advance(30_000) // slide and cookie are due
      const slow = stale.post('/slow')
      await entered
      await end(app, owner)
      const ended = owner.copy()
      leave()
      const answer = await slow
      t.equal(answer.statusCode, 201, writing)
      t.equal(answer.body, 'the handler\'s own', writing)
      t.equal(answer.headers['x-mine'], 'yes', writing)
      if (writing !== 'delete() without a key') t.strictSame(setCookies(answer), [], writing)
      t.notOk(setCookies(answer).some(({ value }) => value !== ''), writing)
      t.equal(await store.get(id), null, writing)
      t.match(await stale.session(), { userId: null, isNew: true }, writing)
      if (ending.startsWith('a sign-in') || ending.startsWith('regenerate')) {
        t.match(await ended.session(), { isNew: false }, `${writing}: the new session is not harmed`)
        t.notMatch((await ended.session()).values, { stale: 1 })
      }
    }
  })
}

t.test('an explicit save of what ended in flight rejects with ERR_SESSION_GONE, and so does every write after it', async (t) => {
  const { app, store, entered, leave } = await openSlow(t, async (session) => {
    session.set('stale', 1)
    await t.rejects(session.save(), { code: 'ERR_SESSION_GONE', statusCode: 409 })
    await t.rejects(session.save(), { code: 'ERR_SESSION_GONE' })
    await t.rejects(session.regenerate(), { code: 'ERR_SESSION_GONE' })
    await t.rejects(session.update('n', () => 1), { code: 'ERR_SESSION_GONE' })
    await t.rejects(session.reload(), { code: 'ERR_SESSION_GONE' })
    t.throws(() => { session.set('a', 1) }, { code: 'ERR_SESSION_GONE' })
    t.throws(() => { session.delete() }, { code: 'ERR_SESSION_GONE' })
  })
  const owner = new Browser(app)
  await owner.post('/login/ada')
  const stale = owner.copy()
  const slow = stale.post('/slow')
  await entered
  await owner.post('/destroy')
  leave()
  const answer = await slow
  t.equal(answer.statusCode, 201)
  t.strictSame(setCookies(answer), [])
  t.equal(store.calls.filter((method) => method === 'create').length, 1)
})

for (const [what, write] of Object.entries<(session: AnySession) => Promise<unknown>>({
  regenerate: (session) => session.regenerate(),
  update: (session) => session.update('n', () => 1),
  reload: (session) => session.reload()
})) {
  t.test(`ended in flight: ${what} rejects with ERR_SESSION_GONE, which answers 409 without a cookie`, async (t) => {
    const { app, entered, leave } = await openSlow(t, write)
    const owner = new Browser(app)
    await owner.post('/login/ada')
    const stale = owner.copy()
    const slow = stale.post('/slow')
    await entered
    await owner.post('/destroy')
    leave()
    const answer = await slow
    t.equal(answer.statusCode, 409)
    t.equal(answer.json().code, 'ERR_SESSION_GONE')
    t.strictSame(setCookies(answer), [])
    t.equal((await stale.session()).isNew, true)
  })
}

t.test('a double click on logout is answered alike both times', async (t) => {
  const { app } = await openApp(t)
  for (const url of ['/destroy', '/logout']) {
    const browser = new Browser(app)
    await browser.post('/login/ada')
    const answers = await Promise.all([browser.copy().post(url), browser.copy().post(url)])
    t.strictSame(answers.map(({ statusCode }) => statusCode), [200, 200], url)
    t.match(await browser.session(), { userId: null, isNew: true })
  }
})

t.test('a cookie written by hand is taken back when the session turns out to be gone', async (t) => {
  const { app, clock } = await openApp(t, {
    routes: (app) => app.post('/by-hand', async (request, reply) => {
      await app.sessions.refresh(request, reply)
      await app.sessions.end(request.session.id)
      anySession(request).set('a', 1)
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  clock.advance(30_000)
  const answer = await browser.post('/by-hand')
  t.equal(answer.statusCode, 200)
  t.strictSame(setCookies(answer), [])
})

t.test('after destroy nothing of the session can be read, and no write brings it back', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/end', async (request) => {
      const session = anySession(request)
      const { id } = session
      await session.destroy()
      t.equal(session.userId, null)
      t.equal(session.get('old'), undefined)
      t.strictSame(session.data(), {})
      t.not(session.id, id)
      t.equal(session.isNew, true)
      t.equal(session.isSaved(), false)
      t.throws(() => { session.set('a', 1) }, { code: 'ERR_SESSION_GONE' })
      t.throws(() => { session.delete('old') }, { code: 'ERR_SESSION_GONE' })
      await t.rejects(session.save(), { code: 'ERR_SESSION_GONE' })
      await t.rejects(session.update('a', () => 1), { code: 'ERR_SESSION_GONE' })
      await t.rejects(session.regenerate(), { code: 'ERR_SESSION_GONE' })
      await t.rejects(session.reload(), { code: 'ERR_SESSION_GONE' })
      await session.destroy()
      session.touch()
      return 'ended'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/old/1')
  const answer = await browser.post('/end')
  t.equal(answer.statusCode, 200)
  t.match(setCookies(answer), [{ name: NAME, value: '', attributes: { 'Max-Age': '0' } }])
  t.equal(store.calls.filter((method) => method === 'create').length, 1)
  t.equal((await app.sessions.list('ada')).length, 0)
})

t.test('delete() without a key ends the session when the answer is sent, and not before', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => {
      app.post('/end', async (request) => {
        const session = anySession(request)
        session.set('a', 1)
        session.delete()
        t.ok(await store.get(session.id), 'it is still there')
        t.equal(session.isModified(), true)
        t.equal(session.isSaved(), false)
        t.throws(() => { session.set('b', 1) }, { code: 'ERR_SESSION_GONE' })
        return 'ended'
      })
      app.post('/think-again', async (request) => {
        const session = anySession(request)
        session.delete()
        await session.reload()
        session.set('b', 1)
        return 'kept'
      })
    }
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { id } = await browser.session()
  await browser.post('/think-again')
  t.match(await browser.session(), { id, values: { b: 1 } })
  t.match(setCookies(await browser.post('/end')), [{ name: NAME, value: '' }])
  t.equal(await store.get(id), null)
})

t.test('destroy with a cookie that verifies but whose session is gone clears the cookie', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await app.sessions.endAll('ada')
  t.strictSame(setCookies(await browser.copy().get('/')), [])
  t.match(setCookies(await browser.copy().post('/destroy')), [{ name: NAME, value: '', attributes: { 'Max-Age': '0' } }])
})

t.test('destroy with a forged cookie ends nobody\'s session, and clears nothing', async (t) => {
  const { app, store } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const value = browser.cookies.get(NAME) ?? ''
  const forger = new Browser(app, [[NAME, `${value.slice(0, -1)}${value.endsWith('A') ? 'B' : 'A'}`]])
  store.takeCalls()
  t.strictSame(setCookies(await forger.post('/destroy')), [])
  t.strictSame(store.takeCalls(), [])
  t.equal((await browser.session()).userId, 'ada')
})

t.test('two regenerations at once have one successor', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const answers = await Promise.all([browser.copy().post('/regenerate'), browser.copy().post('/regenerate')])
  t.strictSame(answers.map(({ statusCode }) => statusCode).toSorted(), [200, 409])
  t.equal(answers.flatMap((answer) => setCookies(answer)).length, 1)
  t.equal((await app.sessions.list('ada')).length, 1)
})
