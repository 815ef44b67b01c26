import t from 'tap'
import type { Claims } from '../../src/session/store.js'
import { anySession, Browser, gate, NAME, openApp, setCookies, until, type AnySession, type TestApp } from '../helpers/session-app.js'

/** Opens an application whose `POST /do` does one thing with the session. */
const openWith = (t: Parameters<typeof openApp>[0], act: (session: AnySession) => unknown): Promise<TestApp> => openApp(t, {
  routes: (app) => app.post('/do', async (request) => {
    await act(anySession(request))
    return { id: request.session.id, userId: request.session.userId, values: anySession(request).values, claims: request.session.claims, isNew: request.session.isNew }
  })
})

/** A browser with a session: of a visitor, or of a user; it holds `old`. */
async function withSession (app: TestApp['app'], user: string | null): Promise<Browser> {
  const browser = new Browser(app)
  if (user !== null) await browser.post(`/login/${user}`)
  await browser.post('/set/old/1')
  return browser
}

const combinations: { title: string, from: string | null, act: (session: AnySession) => unknown, userId: string | null, values: object, isNew?: boolean }[] = [
  { title: 'from a visitor, the values come along', from: null, act: (s) => s.setUserId('ada'), userId: 'ada', values: { old: '1' } },
  { title: 'from a visitor, with a set before and after', from: null, act: (s) => { s.set('a', 1); s.setUserId('ada'); s.set('b', 2) }, userId: 'ada', values: { old: '1', a: 1, b: 2 } },
  { title: 'from a visitor, a delete before it drops the value', from: null, act: (s) => { s.delete('old'); s.setUserId('ada') }, userId: 'ada', values: {} },
  { title: 'from a visitor, a delete after it drops the value', from: null, act: (s) => { s.setUserId('ada'); s.delete('old') }, userId: 'ada', values: {} },
  { title: 'from another user, the values are dropped', from: 'bob', act: (s) => s.setUserId('ada'), userId: 'ada', values: {} },
  { title: 'from another user, a set before it is dropped, one after it stays', from: 'bob', act: (s) => { s.set('a', 1); s.setUserId('ada'); s.set('b', 2) }, userId: 'ada', values: { b: 2 } },
  { title: 'of the same user again, the values come along', from: 'ada', act: (s) => s.setUserId('ada'), userId: 'ada', values: { old: '1' } },
  { title: 'twice in one request, of one user', from: null, act: (s) => { s.setUserId('ada'); s.set('a', 1); s.setUserId('ada') }, userId: 'ada', values: { old: '1', a: 1 } },
  { title: 'twice in one request, of two users, the first one\'s values are dropped', from: null, act: (s) => { s.setUserId('bob'); s.set('a', 1); s.setUserId('ada'); s.set('b', 2) }, userId: 'ada', values: { b: 2 } },
  { title: 'through a sign-out in the same request, the values are dropped', from: 'bob', act: (s) => { s.setUserId(null); s.setUserId('ada') }, userId: 'ada', values: {} },
  { title: 'from a visitor through another user and back, nothing of the visitor comes along', from: null, act: (s) => { s.setUserId('bob'); s.setUserId(null); s.setUserId('ada') }, userId: 'ada', values: {} },
  { title: 'after destroy in the same request, nothing comes along', from: null, act: async (s) => { await s.destroy(); s.setUserId('ada'); s.set('b', 2) }, userId: 'ada', values: { b: 2 } },
  { title: 'after delete() in the same request, nothing comes along', from: null, act: (s) => { s.delete(); s.setUserId('ada') }, userId: 'ada', values: {} },
  { title: 'after regenerate in the same request, what was kept comes along', from: null, act: async (s) => { s.set('a', 1); await s.regenerate(['old']); s.setUserId('ada') }, userId: 'ada', values: { old: '1' } },
  { title: 'before regenerate in the same request, what is kept stays', from: null, act: async (s) => { s.setUserId('ada'); s.set('a', 1); s.set('b', 1); await s.regenerate(['old', 'a']) }, userId: 'ada', values: { old: '1', a: 1 } },
  { title: 'before regenerate without keys, nothing stays but what is set after', from: null, act: async (s) => { s.setUserId('ada'); s.set('a', 1); await s.regenerate(); s.set('c', 3) }, userId: 'ada', values: { c: 3 } },
  { title: 'with an explicit save between', from: null, act: async (s) => { s.setUserId('ada'); await s.save(); s.set('a', 1); await s.save() }, userId: 'ada', values: { old: '1', a: 1 } },
  { title: 'with an update after it', from: null, act: async (s) => { s.setUserId('ada'); s.set('a', 1); await s.update('old', (v) => `${String(v)}!`) }, userId: 'ada', values: { old: '1!', a: 1 } },
  { title: 'then reload: the sign-in is discarded', from: null, act: async (s) => { s.setUserId('ada'); s.set('a', 1); await s.reload() }, userId: null, values: { old: '1' } },
  { title: 'of a user who signs out, the values are dropped', from: 'bob', act: (s) => s.setUserId(null), userId: null, values: {}, isNew: true },
  { title: 'of a user who signs out, with a set before it', from: 'bob', act: (s) => { s.set('a', 1); s.setUserId(null) }, userId: null, values: {}, isNew: true },
  { title: 'of a user who signs out, with a set after it, a visitor\'s session begins', from: 'bob', act: (s) => { s.setUserId(null); s.set('a', 1) }, userId: null, values: { a: 1 } },
  { title: 'a visitor who signs out keeps the session', from: null, act: (s) => s.setUserId(null), userId: null, values: { old: '1' } }
]

for (const { title, from, act, userId, values, isNew = false } of combinations) {
  t.test(`setUserId: ${title}`, async (t) => {
    const { app, store } = await openWith(t, act)
    const browser = await withSession(app, from)
    const before = await browser.session()
    const thief = browser.copy()
    const answer = await browser.post('/do')
    t.equal(answer.statusCode, 200, answer.body)
    t.match(answer.json(), { userId }, 'told at once')
    t.strictSame(answer.json().values, values, 'told at once')
    const after = await browser.session()
    t.equal(after.userId, userId)
    t.strictSame(after.values, values)
    t.equal(after.isNew, isNew)
    if (userId !== null || from !== null) {
      t.not(after.id, before.id, 'a new session')
      t.equal(await store.get(before.id), null, 'the old row is gone')
      t.match(await thief.session(), { userId: null, isNew: true }, 'the old cookie is dead')
      if (!isNew) t.equal(after.id, answer.json().id, 'the id was told before it was stored')
    }
  })
}

t.test('a sign-out without anything set ends the session and clears the cookie', async (t) => {
  const { app, store } = await openApp(t)
  const browser = await withSession(app, 'ada')
  store.takeCalls()
  const [cleared, ...more] = setCookies(await browser.post('/logout'))
  t.strictSame(more, [])
  t.match(cleared, { name: NAME, value: '', attributes: { 'Max-Age': '0' } })
  t.strictSame(store.takeCalls(), ['get', 'delete'])
})

t.test('a sign-in without a cookie stores one row, and one Set-Cookie tells it', async (t) => {
  const { app, store } = await openApp(t)
  const answer = await app.inject({ method: 'POST', url: '/login/ada' })
  t.equal(setCookies(answer).length, 1)
  t.strictSame(store.takeCalls(), ['create'])
})

t.test('roles that would make access tokens too long are refused before anything is stored', async (t) => {
  const { app, store } = await openWith(t, (session) => { session.setUserId('ada', { roles: Array.from({ length: 300 }, (_, n) => `role ${n}`) }) })
  const answer = await app.inject({ method: 'POST', url: '/do' })
  t.match(answer.json(), { code: 'ERR_SESSION_VALUE' })
  t.match(answer.body, /roles/)
  t.strictSame(store.takeCalls(), [])
})

t.test('claims are set at the sign-in, frozen, and gone with the next', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => {
      app.post('/claim', async (request) => {
        const given = { isAdmin: true, roles: ['editor'], nothing: undefined }
        request.session.setUserId('ada', given)
        given.roles.push('owner')
        return request.session.claims
      })
      app.get('/claims', async (request) => {
        const { claims } = request.session
        t.throws(() => { Reflect.set(claims, 'isAdmin', true) || (() => { throw new TypeError() })() }, TypeError)
        t.throws(() => { (claims.roles as string[]).push('owner') }, TypeError)
        return claims
      })
    }
  })
  const browser = new Browser(app)
  t.strictSame((await browser.post('/claim')).json(), { isAdmin: true, roles: ['editor'] })
  t.strictSame((await browser.get('/claims')).json(), { isAdmin: true, roles: ['editor'] })
  await browser.post('/regenerate')
  t.strictSame((await browser.get('/claims')).json(), { isAdmin: true, roles: ['editor'] }, 'regenerate keeps them')
  await app.sessions.setClaims('ada', { roles: [] })
  t.strictSame((await browser.get('/claims')).json(), { roles: [] })
  await browser.post('/claim')
  await browser.post('/login/ada')
  t.strictSame((await browser.get('/claims')).json(), {}, 'a sign-in without claims has none')
})

t.test('a user id that is no text of 1 to 256 characters, and claims that are no JSON object, are refused', async (t) => {
  const { app } = await openWith(t, (session) => {
    for (const userId of ['', 'a'.repeat(257), 'a\0b', 'a\nb', 'a\u0085b', '\ud800', 5, true, {}, [], undefined]) {
      t.throws(() => { session.setUserId(userId as string) }, { name: 'TypeError' }, String(userId))
    }
    for (const claims of [[], 'admin', 5, null, { at: new Date() }, { deep: { n: NaN } }, { roles: ['\0'] }, { ['__proto__']: { isAdmin: true } }]) {
      t.throws(() => { session.setUserId('ada', claims as unknown as Claims) }, { code: 'ERR_SESSION_VALUE' }, JSON.stringify(claims))
    }
    t.equal(session.userId, null)
    t.equal(session.isModified(), false)
  })
  t.equal((await app.inject({ method: 'POST', url: '/do' })).statusCode, 200)
})

t.test('user ids of 256 characters and in any script are kept', async (t) => {
  for (const userId of ['x'.repeat(256), 'Ада 🦍 أدا', "o'brien\\%", '0', ' ']) {
    const { app } = await openWith(t, (session) => { session.setUserId(userId) })
    const browser = new Browser(app)
    await browser.post('/do')
    t.equal((await browser.session()).userId, userId)
    t.equal((await app.sessions.list(userId)).length, 1)
  }
})

t.test('two parallel sign-ins on one visitor\'s session both end with a working cookie', async (t) => {
  const { app, store } = await openApp(t)
  const visitor = await withSession(app, null)
  const both = gate()
  let waiting = 0
  store.before = async (method) => {
    if (method !== 'create') return
    waiting++
    await both.opened
  }
  const [one, two] = [visitor.copy(), visitor.copy()]
  const answers = [one.post('/login/ada'), two.post('/login/bob')]
  await until(() => waiting === 2, 'both are about to be stored')
  both.open()
  for (const answer of await Promise.all(answers)) {
    t.equal(answer.statusCode, 200)
    t.equal(setCookies(answer, NAME).length, 1)
  }
  t.match(await one.session(), { userId: 'ada', values: { old: '1' }, isNew: false })
  t.match(await two.session(), { userId: 'bob', values: { old: '1' }, isNew: false })
  t.match(await visitor.session(), { userId: null, isNew: true }, 'the cookie before them is dead')
})

t.test('of two parallel sign-ins, the second, stored after the first has answered, ends with a working cookie', async (t) => {
  const { app, store } = await openApp(t)
  const visitor = await withSession(app, null)
  const late = gate()
  let held = 0
  const [one, two] = [visitor.copy(), visitor.copy()]
  store.before = async (method) => {
    if (method === 'create' && held++ === 0) await late.opened
  }
  const slow = one.post('/login/ada')
  await until(() => held === 1, 'the first is about to be stored')
  t.equal((await two.post('/login/ada')).statusCode, 200)
  await two.post('/set/basket/full')
  late.open()
  t.equal((await slow).statusCode, 200)
  t.match(await one.session(), { userId: 'ada', values: { old: '1' }, isNew: false })
  t.match(await two.session(), { userId: 'ada', values: { old: '1', basket: 'full' }, isNew: false })
})

t.test('a request that loaded the session before a sign-in can no longer write to it, nor answer with a cookie', async (t) => {
  const { app, store, clock } = await openApp(t, {
    routes: (app) => app.post('/slow', async (request) => {
      entered.open()
      await leave.opened
      anySession(request).set('stale', 1)
      return 'the handler\'s own'
    })
  })
  const entered = gate()
  const leave = gate()
  const visitor = await withSession(app, null)
  const slowTab = visitor.copy()
  clock.advance(20_000) // the cookie is due to be sent again
  const slow = slowTab.post('/slow')
  await entered.opened
  await visitor.post('/login/ada')
  leave.open()
  const answer = await slow
  t.equal(answer.statusCode, 200)
  t.equal(answer.body, 'the handler\'s own')
  t.strictSame(setCookies(answer), [], 'a late answer does not wipe the login\'s cookie')
  t.match(await visitor.session(), { userId: 'ada', values: { old: '1' } })
  t.equal(store.calls.filter((method) => method === 'create').length, 2)
})

t.test('the loser of a sign-in race does not bring values of the winner', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/login-late/:user', async (request) => {
      entered.open()
      await leave.opened
      request.session.setUserId((request.params as { user: string }).user)
      return 'in'
    })
  })
  const entered = gate()
  const leave = gate()
  const visitor = await withSession(app, null)
  const other = visitor.copy()
  const late = other.post('/login-late/mallory')
  await entered.opened
  await visitor.post('/login/ada')
  await visitor.post('/set/secret/hers')
  leave.open()
  t.equal((await late).statusCode, 200)
  t.strictSame((await other.session()).values, { old: '1' }, 'what this request had seen')
  t.strictSame((await visitor.session()).values, { old: '1', secret: 'hers' })
  t.equal((await visitor.session()).userId, 'ada')
  t.notOk(store.calls.includes('delete'))
})

t.test('a sign-in on a session that was ended meanwhile begins one that works', async (t) => {
  for (const end of ['end', 'endAll', 'block'] as const) {
    const { app } = await openApp(t, {
      routes: (app) => app.post('/slow-login', async (request) => {
        const { id } = request.session
        if (end === 'end') await app.sessions.end(id)
        else if (end === 'endAll') await app.sessions.endAll('ada')
        else await app.sessions.block(id, 'stolen laptop')
        request.session.setUserId('ada')
        return 'in'
      })
    })
    const browser = await withSession(app, 'ada')
    const before = await browser.session()
    t.equal((await browser.post('/slow-login')).statusCode, 200)
    const after = await browser.session()
    t.equal(after.userId, 'ada', end)
    t.not(after.id, before.id)
  }
})

t.test('after a save that answered "gone", a sign-in begins an empty session', async (t) => {
  const { app } = await openWith(t, async (session) => {
    session.set('a', 1)
    await app.sessions.end(session.id)
    await t.rejects(session.save(), { code: 'ERR_SESSION_GONE' })
    t.throws(() => { session.set('b', 1) }, { code: 'ERR_SESSION_GONE' })
    session.setUserId('ada')
    session.set('c', 3)
  })
  const browser = await withSession(app, null)
  t.equal((await browser.post('/do')).statusCode, 200)
  t.match(await browser.session(), { userId: 'ada', isNew: false })
  t.strictSame((await browser.session()).values, { c: 3 })
})

t.test('a sign-in that cannot be stored leaves the old session as it was', async (t) => {
  const { app, store } = await openApp(t)
  const browser = await withSession(app, null)
  store.break('create')
  const answer = await browser.post('/login/ada')
  t.equal(answer.statusCode, 503)
  t.strictSame(setCookies(answer), [])
  store.mend()
  t.match(await browser.session(), { userId: null, values: { old: '1' }, isNew: false })
})

t.test('user agent and client address are stored with a session and at sign-in, cut and cleaned', async (t) => {
  const { app, store } = await openApp(t)
  const browser = new Browser(app)
  const agent = `Mozilla \u001b[31m\u0000${'x'.repeat(600)}`
  await browser.post('/set/a/1', { headers: { 'user-agent': agent }, remoteAddress: '192.0.2.7' })
  const record = await store.get((await browser.session()).id)
  t.equal(record?.userAgent, `Mozilla [31m${'x'.repeat(500)}`)
  t.equal(record?.clientIp, '192.0.2.7')
  await browser.post('/login/ada', { headers: { 'user-agent': 'Other' }, remoteAddress: '192.0.2.8' })
  t.match(await app.sessions.list('ada'), [{ userAgent: 'Other', clientIp: '192.0.2.8' }])
})

t.test('recordDevice: false stores neither user agent nor client address', async (t) => {
  const { app } = await openApp(t, { options: { recordDevice: false } })
  await app.inject({ method: 'POST', url: '/login/ada', headers: { 'user-agent': 'Mozilla' } })
  t.match(await app.sessions.list('ada'), [{ userAgent: null, clientIp: null }])
})

t.test('a list of sessions holds no hash, no secret and no values', async (t) => {
  const { app } = await openApp(t)
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/private/thing')
  const [info] = await app.sessions.list('ada')
  t.strictSame(Object.keys(info ?? {}).toSorted(), ['absoluteExpiresAt', 'authenticatedAt', 'blockedAt', 'blockedReason', 'claims', 'clientIp', 'createdAt', 'expiresAt', 'id', 'lastSeenAt', 'maxAge', 'userAgent', 'userId'])
})

t.test('of parallel sign-ins on one session one tells that it has ended, and on one that is blocked none does', async (t) => {
  const { app, store } = await openApp(t)
  const ended: unknown[] = []
  app.sessions.on('ended', ({ sessionId, userId, reason }) => { ended.push({ sessionId, userId, reason }) })
  for (const isBlocked of [false, true]) {
    const browser = await withSession(app, 'ada')
    const { id } = await browser.session()
    const held = gate()
    store.takeCalls()
    ended.length = 0
    store.before = async (method) => { if (method === 'create') await held.opened }
    const answers = ['bob', 'eve'].map(async (user) => await browser.copy().post(`/login/${user}`))
    await until(() => store.calls.filter((call) => call === 'create').length === 2, 'both have read the session')
    if (isBlocked) await app.sessions.block(id, 'stolen')
    held.open()
    t.strictSame((await Promise.all(answers)).map(({ statusCode }) => statusCode), [200, 200])
    t.strictSame(ended, isBlocked ? [] : [{ sessionId: id, userId: 'ada', reason: 'replaced' }])
    store.mend()
  }
})

t.test('the event of a session that ended with a sign-out says so, though a visitor\'s begins in its place', async (t) => {
  const { app } = await openWith(t, (session) => { session.setUserId(null); session.set('notice', 'bye') })
  const browser = await withSession(app, 'ada')
  const { id } = await browser.session()
  const ended: unknown[] = []
  app.sessions.on('ended', ({ sessionId, userId, reason }) => { ended.push({ sessionId, userId, reason }) })
  await browser.post('/do')
  t.strictSame(ended, [{ sessionId: id, userId: 'ada', reason: 'logout' }])
})
