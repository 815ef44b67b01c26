import t from 'tap'
import { anySession, Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

t.test('the cookie is sent again when older than a tenth of maxAge, and not before', async (t) => {
  const { app, clock } = await openApp(t, { options: { maxAge: 1_000 } })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const first = browser.cookies.get(NAME)
  clock.advance(100)
  t.strictSame(setCookies(await browser.get('/plain')), [], 'exactly a tenth')
  clock.advance(1)
  const answer = await browser.get('/plain')
  const [again] = setCookies(answer, NAME)
  t.equal(again?.attributes['Max-Age'], '1000')
  t.not(again?.value, first, 'it carries its own issue time')
  t.equal(answer.headers['cache-control'], 'no-store')
  t.strictSame(setCookies(await browser.get('/plain')), [])
})

t.test('a cookie that is sent again names the same session, and the older one stays good', async (t) => {
  const { app, clock } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const older = browser.copy()
  const { id } = await browser.session()
  clock.advance(20_000)
  t.equal(setCookies(await browser.get('/plain'), NAME).length, 1)
  t.equal((await browser.session()).id, id)
  t.equal((await older.session()).id, id)
})

t.test('a busy user costs one write in a refreshInterval', async (t) => {
  const { app, store, clock } = await openApp(t, { options: { maxAge: 1_000, refreshInterval: 60 } })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  store.takeCalls()
  for (let second = 0; second < 300; second++) {
    clock.advance(1)
    await browser.get('/plain')
  }
  t.equal(store.takeCalls().filter((method) => method === 'save').length, 5)
})

t.test('the default refreshInterval is a tenth of maxAge, at most 60 s', async (t) => {
  for (const [maxAge, interval] of [[100, 10], [86_400, 60]] as const) {
    const { app, store, clock } = await openApp(t, { options: { maxAge } })
    const browser = new Browser(app)
    await browser.post('/set/a/1')
    clock.advance(interval - 0.001)
    await browser.get('/plain')
    t.notOk(store.takeCalls().includes('save'))
    clock.advance(0.001)
    await browser.get('/plain')
    t.ok(store.takeCalls().includes('save'))
  }
})

t.test('a write slides the expiry, so that none is due after it', async (t) => {
  const { app, store, clock } = await openApp(t, { options: { maxAge: 2_000, refreshInterval: 60 } })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  clock.advance(59)
  await browser.post('/set/a/2')
  store.takeCalls()
  clock.advance(59)
  await browser.get('/plain')
  t.strictSame(store.takeCalls(), ['get'])
})

t.test('touch slides the expiry though none is due', async (t) => {
  const { app, store, clock } = await openApp(t, {
    options: { maxAge: 1_000, refreshInterval: 1_000 },
    routes: (app) => app.get('/touch', async (request) => {
      request.session.touch()
      return 'touched'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const { id } = await browser.session()
  clock.advance(999)
  await browser.get('/touch')
  clock.advance(999)
  t.equal((await browser.session()).id, id)
  t.equal((await store.get(id))?.version, 1, 'a slide is no change of the values')
})

t.test('a session ends when it is not used for maxAge, whatever the cookie says', async (t) => {
  const { app, clock } = await openApp(t, { options: { maxAge: 100 } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  clock.advance(99.999)
  t.equal((await browser.copy().session()).userId, 'ada')
  clock.advance(100)
  const answer = await browser.get('/')
  t.equal(answer.json().userId, null)
  t.strictSame(setCookies(answer), [], 'nothing is cleared')
})

t.test('no use, save or regeneration outlives the absolute end', async (t) => {
  const { app, store, clock } = await openApp(t, { options: { maxAge: 100, absoluteMaxAge: 250, refreshInterval: 0 } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const end = (await store.get((await browser.session()).id))?.absoluteExpiresAt
  for (let n = 0; n < 24; n++) {
    clock.advance(10)
    await (n % 3 === 0 ? browser.post('/regenerate') : n % 3 === 1 ? browser.post(`/set/n/${n}`) : browser.get('/plain'))
    const record = await store.get((await browser.session()).id)
    t.strictSame(record?.absoluteExpiresAt, end)
    t.ok(record !== null && end !== undefined && record.expiresAt <= end)
  }
  const [last] = setCookies(await browser.post('/set/last/1'), NAME)
  t.equal(last, undefined, 'the cookie was sent 10 s ago')
  clock.advance(9.999)
  t.equal((await browser.session()).userId, 'ada')
  clock.advance(0.001)
  t.equal((await browser.session()).userId, null)
})

t.test('Max-Age of the cookie never passes the absolute end, and is never 0', async (t) => {
  const { app, clock } = await openApp(t, { options: { maxAge: 100, absoluteMaxAge: 150, refreshInterval: 0 } })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  clock.advance(90)
  t.equal(setCookies(await browser.get('/plain'), NAME)[0]?.attributes['Max-Age'], '60')
  clock.advance(59.9)
  t.equal(setCookies(await browser.get('/plain'), NAME)[0]?.attributes['Max-Age'], '1')
})

t.test('V01: a restart with a longer maxAge does not bring back what has expired', async (t) => {
  const { app, store, clock } = await openApp(t, { options: { maxAge: 100 } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  clock.advance(101)
  const again = await openApp(t, { options: { maxAge: 1_000_000, store } })
  t.equal((await new Browser(again.app, browser.cookies).session()).userId, null)
})

t.test('createdAt and expiresAt tell the row\'s instants, by the store\'s clock', async (t) => {
  const { app, clock } = await openApp(t, {
    options: { maxAge: 100 },
    routes: (app) => app.get('/times', async (request) => ({ created: request.session.createdAt, expires: request.session.expiresAt }))
  })
  const browser = new Browser(app)
  const began = clock.now()
  await browser.post('/set/a/1')
  clock.advance(5)
  t.strictSame((await browser.get('/times')).json(), { created: began.toISOString(), expires: new Date(began.getTime() + 100_000).toISOString() })
})

t.test('dates that a handler changes do not change the session', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/dates', async (request) => {
      const { createdAt, expiresAt } = request.session
      request.session.createdAt.setTime(0)
      request.session.expiresAt.setTime(0)
      t.strictSame(request.session.createdAt, createdAt)
      t.strictSame(request.session.expiresAt, expiresAt)
      return 'ok'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  t.equal((await browser.get('/dates')).statusCode, 200)
  t.equal((await app.inject('/dates')).statusCode, 200)
})

t.test('a slide that fails fails nothing, and is tried again', async (t) => {
  const { app, store, clock } = await openApp(t, { options: { maxAge: 1_000, refreshInterval: 60 } })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  clock.advance(61)
  store.break('save')
  const answer = await browser.get('/plain')
  t.equal(answer.statusCode, 200)
  t.equal(answer.body, 'plain')
  store.mend()
  store.takeCalls()
  await browser.get('/plain')
  t.strictSame(store.takeCalls(), ['get', 'save'])
})

t.test('a slide on a session that ended meanwhile fails nothing, and sends no cookie', async (t) => {
  const { app, store, clock } = await openApp(t, {
    options: { maxAge: 1_000 },
    routes: (app) => app.get('/slow', async (request) => {
      await app.sessions.end(anySession(request).id)
      return 'slow'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  clock.advance(500)
  const answer = await browser.get('/slow')
  t.equal(answer.statusCode, 200)
  t.strictSame(setCookies(answer), [])
  t.match(await browser.session(), { isNew: true, values: {} })
  t.equal(store.calls.filter((method) => method === 'create').length, 1)
})
