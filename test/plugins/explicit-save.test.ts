import t from 'tap'
import type { Test } from 'tap'
import type { PlainChange, SaveNews, SessionRecord } from '../../src/session/store.js'
import { anySession, Browser, openApp, setCookies } from '../helpers/session-app.js'
import type { TestApp } from '../helpers/session-app.js'

/** `POST /save`: sets a value and saves; what happens when that fails, the test says. */
const open = async (t: Test, onFailure: (error: unknown, session: ReturnType<typeof anySession>) => unknown): Promise<TestApp> => await openApp(t, {
  routes: (app) => app.post('/save', async (request) => {
    const session = anySession(request)
    session.set('a', 1)
    await session.save().catch((error: unknown) => onFailure(error, session))
    return 'the handler’s own'
  })
})

t.test('a save that failed in the handler is not tried again with the answer: it could succeed after a 503', async (t) => {
  const { app, store } = await open(t, (error) => { throw error })
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/save' })
  t.equal(answer.statusCode, 503)
  t.strictSame(setCookies(answer), [])
  t.strictSame(store.takeCalls(), ['create'])
})

t.test('a handler that passes over a failed save does not answer with a success', async (t) => {
  const { app, store } = await open(t, (_, session) => {
    t.equal(session.isModified(), true)
    t.equal(session.isNew, true)
  })
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/save' })
  t.match(answer, { statusCode: 503, headers: { 'retry-after': '1' } })
  t.match(answer.json(), { code: 'ERR_STORE' })
  t.strictSame(store.takeCalls(), ['create'])
})

t.test('after a failed save, what is changed then is saved with the answer, and so is a second save', async (t) => {
  const later: ((session: ReturnType<typeof anySession>) => unknown)[] = [(session) => { session.set('b', 2) }, async (session) => { await session.save() }]
  for (const mend of later) {
    const { app, store } = await open(t, (_, session) => { store.mend(); return mend(session) })
    store.break('create')
    const answer = await app.inject({ method: 'POST', url: '/save' })
    t.match(answer, { statusCode: 200, body: 'the handler’s own' })
    t.equal(setCookies(answer).length, 1)
    t.strictSame(store.takeCalls(), ['create', 'create'])
  }
})

t.test('after a failed save, reload drops the changes and the answer is the handler’s', async (t) => {
  const { app, store } = await open(t, async (_, session) => { await session.reload() })
  store.break('create')
  const answer = await app.inject({ method: 'POST', url: '/save' })
  t.match(answer, { statusCode: 200, body: 'the handler’s own' })
  t.strictSame(setCookies(answer), [])
})

t.test('the answer waits for a write that the handler did not wait for, and carries its cookie', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/hasty', async (request) => {
      const session = anySession(request)
      session.regenerate(['a']).catch(() => {})
      session.update('b', () => 1).catch(() => {})
      return 'before both'
    })
  })
  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const before = browser.copy()
  store.before = async () => { await new Promise((resolve) => { setImmediate(resolve) }) }
  const answer = await browser.post('/hasty')
  t.equal(setCookies(answer).length, 1)
  t.strictSame((await browser.session()).values, { a: '1', b: 1 })
  t.match(await before.session(), { isNew: true })
})

t.test('a browser-session cookie is the session’s own: a sign-in begins one that stays, unless told again', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/brief', async (request) => {
      request.session.options({ maxAge: null })
      anySession(request).set('a', 1)
      return {}
    })
  })
  const browser = new Browser(app)
  t.equal(setCookies(await browser.post('/brief'))[0]?.attributes['Max-Age'], undefined)
  t.equal(setCookies(await browser.post('/regenerate'))[0]?.attributes['Max-Age'], undefined, 'it lives on through a regenerate')
  t.equal(setCookies(await browser.post('/login/ada'))[0]?.attributes['Max-Age'], '86400')
})

t.test('a life that is asked for while a save is under way is saved too, whenever it is asked for', async (t) => {
  for (let turns = 0; turns <= 12; turns++) {
    const { app, store } = await openApp(t, {
      routes: (app) => app.post('/longer', async (request) => {
        const session = anySession(request)
        session.set('a', 2)
        const saving = session.save()
        for (let turn = 0; turn < turns; turn++) await Promise.resolve()
        session.options({ maxAge: 20 * 86_400 })
        await saving
        return { id: session.id }
      })
    })
    const browser = new Browser(app)
    await browser.post('/set/a/1')
    const { id } = (await browser.post('/longer')).json()
    t.equal((await store.get(id))?.maxAge, 20 * 86_400, `after ${turns} turns`)
  }
})

t.test('what a session knows after a save that told only the news is what is stored', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/twice', async (request) => {
      const session = anySession(request)
      session.set('a', request.id)
      session.delete('old')
      await session.save()
      const between = { values: session.values, expiresAt: session.expiresAt }
      session.set('b', request.id)
      return between
    })
  })
  const saves: (SessionRecord | null)[] = []
  const seen: SessionRecord[] = []
  const savedAt = new Date(Date.now() + 5_000)
  Object.assign(store, {
    async saveSeen (record: SessionRecord, change: PlainChange): Promise<SaveNews | null> {
      seen.push(record)
      const saved = await store.save(record.id, record.secretHash, change)
      saves.push(saved)
      return saved && { savedAt, expiresAt: saved.expiresAt }
    }
  })
  const browser = new Browser(app)
  await browser.post('/set/old/1')
  await browser.post('/set/kept/2')
  const between = (await browser.post('/twice')).json()
  const [first, last] = saves.slice(-2)
  t.same([between.values, new Date(between.expiresAt)], [first?.values, first?.expiresAt])
  t.match(seen.at(-1), { readAt: savedAt, lastSeenAt: savedAt, version: first?.version }, 'the next save is made on it')
  t.same(seen.at(-1)?.values, first?.values)
  t.same(Object.keys(last?.values ?? {}).sort(), ['a', 'b', 'kept'])
})
