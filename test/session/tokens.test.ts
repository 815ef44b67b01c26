import t, { type Test } from 'tap'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { SessionsOptions } from '../../src/plugins/sessions.js'
import { SessionManager } from '../../src/session/session-manager.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import { freshHash } from '../../src/testing/fixtures.js'
import { anySession, Browser, gate, NAME, openApp, setCookies, until } from '../helpers/session-app.js'
import { standingClock } from '../helpers/memory-harness.js'

const DAY = 86_400
const REFRESH_TTL = 30 * DAY

const managerOf = (app: FastifyInstance): SessionManager => {
  if (app.sessions instanceof SessionManager) return app.sessions
  throw new Error('the plugin decorates its SessionManager')
}

/** What `tokens.issue` does with the session of a request. */
async function beginLineage (app: FastifyInstance, tokens: MemoryTokenStore, request: FastifyRequest): Promise<void> {
  const { id, userId } = request.session
  const record = await tokens.createRefreshToken({ sessionId: id, userId: userId ?? '', tokenHash: freshHash(), idleSeconds: REFRESH_TTL, absoluteSeconds: 60 * DAY })
  if (record === null || record === 'taken') throw new Error(`no lineage: ${String(record)}`)
  managerOf(app).adoptLineage(request, record)
}

/** An application whose cookies live for 1,000 s, and the feed of whose tokens is told to its manager. */
async function setUp (t: Test, { options, routes }: { options?: Partial<SessionsOptions>, routes?: (app: FastifyInstance, tokens: MemoryTokenStore) => unknown } = {}) {
  const clock = standingClock()
  const store = new MemoryStore({ clock: () => clock.now() })
  const tokens = new MemoryTokenStore({ store })
  const { app } = await openApp(t, {
    options: { store, maxAge: 1_000, ...options },
    async routes (app) {
      app.post('/issue', async (request) => { await beginLineage(app, tokens, request); return 'issued' })
      await routes?.(app, tokens)
    }
  })
  const manager = managerOf(app)
  tokens.watchRevocations({
    reset (inForce) { for (const { sessionId, kind } of inForce) manager.noteRevoked(sessionId, kind) },
    add ({ sessionId, kind }) { manager.noteRevoked(sessionId, kind) },
    lift () {},
    broken () {}
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  return { app, manager, clock, store, tokens, browser }
}

/** Seconds that the user's one session lives on. */
async function secondsLeft (store: MemoryStore): Promise<number> {
  const [record] = await store.listByUser('ada')
  return record === undefined ? 0 : (record.expiresAt.getTime() - record.readAt.getTime()) / 1000
}

t.test('tokens leave the cookie\'s own life alone: its Max-Age, and when it is sent again', async (t) => {
  const { browser, clock, store } = await setUp(t)
  t.same(setCookies(await browser.post('/issue'), NAME), [])
  t.equal(await secondsLeft(store), REFRESH_TTL)
  for (let round = 0; round < 3; round++) {
    clock.advance(90)
    t.same(setCookies(await browser.get('/'), NAME), [], 'not a tenth of its life old')
    clock.advance(11)
    t.equal(setCookies(await browser.get('/'), NAME)[0]?.attributes['Max-Age'], '1000')
    t.equal(await secondsLeft(store), REFRESH_TTL, 'while the session slides by that of its tokens')
  }
})

t.test('a cookie whose session has a maxAge of its own follows that', async (t) => {
  const { browser, clock, store } = await setUp(t, {
    routes: (app) => app.post('/remember', async (request) => { request.session.options({ maxAge: 20 * DAY }); return 'remembered' })
  })
  t.equal(setCookies(await browser.post('/remember'), NAME)[0]?.attributes['Max-Age'], String(20 * DAY))
  clock.advance(DAY)
  t.same(setCookies(await browser.get('/'), NAME), [])
  clock.advance(2 * DAY)
  t.equal(setCookies(await browser.get('/'), NAME)[0]?.attributes['Max-Age'], String(20 * DAY))
  t.equal(await secondsLeft(store), 20 * DAY)
})

t.test('a maxAge that is given to a session with tokens is the cookie\'s of this answer alone: the session keeps the life of its tokens', async (t) => {
  const { browser, clock, store, tokens } = await setUp(t, {
    routes: (app) => app.post('/life/:seconds', async (request) => {
      const { seconds } = request.params as { seconds: string }
      request.session.options({ maxAge: Number(seconds) })
      return 'given'
    })
  })
  await browser.post('/issue')
  const { id } = await browser.session()
  const token = { sessionId: id, userId: 'ada', issuedAt: tokens.now() + 1 }
  for (const seconds of ['600', '7000000']) {
    clock.advance(1)
    t.equal(setCookies(await browser.post(`/life/${seconds}`), NAME)[0]?.attributes['Max-Age'], seconds === '600' ? '600' : String(60 * DAY - 1 - 1), 'never past the absolute end')
    t.equal(await secondsLeft(store), REFRESH_TTL)
    t.equal((await store.get(id))?.maxAge, REFRESH_TTL)
  }
  t.equal(await tokens.isAccessValid(token), true)
  clock.advance(101)
  t.equal(setCookies(await browser.get('/'), NAME)[0]?.attributes['Max-Age'], '1000', 'later ones live as before')
})

t.test('a browser-session cookie that is asked for with the tokens, or after, ends with the browser, and neither session nor tokens with it', async (t) => {
  const { browser, clock, store, tokens, app } = await setUp(t, {
    routes (app, tokens) {
      app.post('/browser', async (request) => { request.session.options({ maxAge: null }); return 'asked' })
      app.post('/both', async (request) => {
        request.session.setUserId('ada')
        await request.session.save()
        await beginLineage(app, tokens, request)
        request.session.options({ maxAge: null })
        return 'both'
      })
    }
  })
  await browser.post('/issue')
  const other = new Browser(app)
  for (const [at, path] of [[browser, '/browser'], [other, '/both']] as const) {
    t.strictSame(setCookies(await at.post(path), NAME).map(({ attributes }) => attributes['Max-Age']), [undefined])
    const { id } = await at.session()
    t.match(await store.get(id), { maxAge: REFRESH_TTL })
    t.equal(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: tokens.now() }), true)
    clock.advance(101)
    t.strictSame(setCookies(await at.get('/'), NAME).map(({ attributes }) => attributes['Max-Age']), [undefined], 'later ones, too')
    await store.delete(id)
  }
})

t.test('a request that has loaded the session before its tokens were issued does not shorten its life', async (t) => {
  const [held, loaded] = [gate(), gate()]
  const { browser, clock, store } = await setUp(t, {
    routes: (app) => app.post('/slow', async (request) => {
      anySession(request).set('slow', 1)
      loaded.open()
      await held.opened
      return 'saved'
    })
  })
  const slow = browser.copy().post('/slow')
  await loaded.opened
  await browser.post('/issue')
  clock.advance(500)
  held.open()
  t.equal((await slow).statusCode, 200)
  t.equal((await browser.session()).values['slow'], 1)
  t.equal(await secondsLeft(store), REFRESH_TTL)
})

t.test('what the request that issues tokens saves afterwards is saved, and goes by their life', async (t) => {
  const { browser, store, clock } = await setUp(t, {
    routes: (app, tokens) => app.post('/issue-and-set', async (request) => {
      anySession(request).set('before', 1)
      await request.session.save()
      await beginLineage(app, tokens, request)
      t.equal(request.session.expiresAt.getTime(), clock.now().getTime() + REFRESH_TTL * 1000)
      anySession(request).set('after', 2)
      return 'both'
    })
  })
  await browser.post('/issue-and-set')
  t.same((await browser.session()).values, { before: 1, after: 2 })
  t.equal(await secondsLeft(store), REFRESH_TTL)
})

t.test('the record of a lineage of another session is not taken over', async (t) => {
  const { browser, app, store } = await setUp(t, {
    routes: (app) => app.post('/confused', async (request) => {
      const { id } = request.session
      const [other] = await app.sessions.store.listByUser('bob')
      if (other === undefined) throw new Error('bob should be signed in')
      managerOf(app).adoptLineage(request, other)
      return { same: request.session.id === id, userId: request.session.userId }
    })
  })
  await new Browser(app).post('/login/bob')
  t.same((await browser.post('/confused')).json(), { same: true, userId: 'ada' })
  t.equal((await store.listByUser('ada')).length, 1)
})

t.test('replaceId gives the session a new id without its lineage: values and pending changes stay, the old cookie is dead', async (t) => {
  const { browser, app, store, tokens } = await setUp(t, {
    routes: (app) => app.post('/replace', async (request) => {
      const { id, signal } = request.session
      anySession(request).set('pending', 2)
      await managerOf(app).replaceId(request)
      t.not(request.session.id, id)
      t.equal(signal.aborted, false, 'though the end of the old id was told')
      return 'replaced'
    })
  })
  await browser.post('/set/kept/1')
  await browser.post('/issue')
  const { id } = await browser.session()
  const before = browser.copy()
  t.equal(setCookies(await browser.post('/replace'), NAME)[0]?.attributes['Max-Age'], '1000')
  const after = await browser.session()
  t.not(after.id, id)
  t.match(after, { userId: 'ada', values: { kept: '1', pending: 2 } })
  t.equal((await before.session()).userId, null)
  t.same((await store.listByUser('ada')).map((record) => record.id), [after.id])
  t.equal(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: tokens.now() + 1_000 }), false)
  t.equal((await browser.post('/issue')).statusCode, 200, 'and another lineage can begin')
  t.equal(await app.sessions.end(after.id), true)
})

t.test('session.regenerate keeps the id that tokens name', async (t) => {
  const { browser } = await setUp(t)
  await browser.post('/issue')
  const { id } = await browser.session()
  const before = browser.copy()
  await browser.post('/regenerate')
  t.match(await browser.session(), { id, userId: 'ada' })
  t.equal((await before.session()).userId, null, 'the old secret is dead')
})

t.test('reauthenticate renews authenticatedAt and the secret, and keeps values and tokens', async (t) => {
  const { browser, app, clock } = await setUp(t, {
    routes: (app) => app.post('/again', async (request, reply) => {
      anySession(request).set('pending', 1)
      const session = await app.sessions.reauthenticate(request, reply)
      t.equal(session, request.session)
      return 'proved'
    })
  })
  await browser.post('/set/kept/1')
  const [begun] = await app.sessions.list('ada')
  clock.advance(400)
  const before = browser.copy()
  await browser.post('/again')
  const [again] = await app.sessions.list('ada')
  t.equal((again?.authenticatedAt?.getTime() ?? 0) - (begun?.authenticatedAt?.getTime() ?? 0), 400_000)
  t.same((await browser.session()).values, { kept: '1', pending: 1 })
  t.equal((await before.session()).userId, null)
  await browser.post('/issue')
  clock.advance(10)
  const { id } = await browser.session()
  await browser.post('/again')
  t.equal((await browser.session()).id, id, 'tokens name it')
  t.equal((await app.sessions.list('ada'))[0]?.authenticatedAt?.getTime(), clock.now().getTime())
})

t.test('reauthenticate refuses a request in which nobody is signed in', async (t) => {
  const { app } = await setUp(t, {
    routes: (app) => app.post('/again', async (request, reply) => {
      await t.rejects(app.sessions.reauthenticate(request, reply), { name: 'TypeError' })
      request.session.setUserId('bob')
      await app.sessions.reauthenticate(request, reply)
      return 'bob signs in with this answer'
    })
  })
  const stranger = new Browser(app)
  t.equal((await stranger.post('/again')).statusCode, 200)
  t.equal((await stranger.session()).userId, 'bob')
})

t.test('reauthenticate says that the storage is away, where the answer would be that of a stranger', async (t) => {
  const { app, store } = await openApp(t, {
    options: { onStoreError: 'anonymous' },
    routes: (app) => app.post('/again', async (request, reply) => {
      await t.rejects(app.sessions.reauthenticate(request, reply), { code: 'ERR_STORE' })
      return 'told'
    })
  })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  store.break('get')
  t.equal((await browser.post('/again')).statusCode, 200)
})

t.test('a session that its tokens have ended is gone for the request that asked for it: its cookie is cleared, signals fire, the event is told', async (t) => {
  const ended: string[] = []
  const { browser, app, store } = await setUp(t, {
    routes: (app, tokens) => app.post('/revoke', async (request) => {
      const { id, signal } = request.session
      anySession(request).set('lost', 1)
      await tokens.revokeRefreshToken(id, 'logout')
      managerOf(app).endedByTokens(id, 'logout')
      managerOf(app).opened(request)?.noteEnd()
      t.equal(signal.aborted, true)
      t.equal(request.session.userId, null)
      t.throws(() => { anySession(request).set('a', 1) }, { code: 'ERR_SESSION_GONE' })
      return 'revoked'
    })
  })
  app.sessions.on('ended', ({ sessionId }) => { ended.push(sessionId) })
  await browser.post('/issue')
  const { id } = await browser.session()
  const answer = await browser.post('/revoke')
  t.equal(answer.statusCode, 200)
  t.match(setCookies(answer, NAME), [{ value: '', attributes: { 'Max-Age': '0' } }])
  t.same(ended, [id])
  t.same(await store.listByUser('ada'), [])
})

t.test('tokens that end another session than the request\'s leave that and its cookie alone', async (t) => {
  const { browser, app } = await setUp(t, {
    routes: (app) => app.post('/revoke/:id', async (request) => {
      managerOf(app).endedByTokens((request.params as { id: string }).id, 'logout')
      return 'revoked'
    })
  })
  const other = new Browser(app)
  await other.post('/login/ada')
  const answer = await browser.post(`/revoke/${(await other.session()).id}`)
  t.same(setCookies(answer, NAME), [])
  t.equal((await browser.session()).userId, 'ada')
})

const elsewhere: Record<string, (facts: { store: MemoryStore, tokens: MemoryTokenStore, id: string }) => unknown> = {
  'was deleted': ({ store, id }) => store.delete(id),
  'was blocked': ({ store, id }) => store.block(id, 'stolen'),
  'was revoked with its tokens': ({ tokens, id }) => tokens.revokeRefreshToken(id, 'logout')
}

for (const [title, end] of Object.entries(elsewhere)) {
  t.test(`signal: fires when the feed tells that the session ${title} elsewhere`, async (t) => {
    const held = gate()
    let signal: AbortSignal | undefined
    const { browser, store, tokens, manager } = await setUp(t, {
      routes: (app) => app.get('/watch', async (request) => {
        signal = request.session.signal
        await held.opened
        return 'over'
      })
    })
    await browser.post('/issue')
    const { id } = await browser.session()
    const answer = browser.copy().get('/watch')
    await until(() => signal !== undefined, 'the request is under way')
    await store.setClaims('ada', { isAdmin: true })
    manager.noteRevoked(null, 'ended')
    manager.noteRevoked('00000000-0000-4000-8000-000000000000', 'ended')
    await browser.get('/')
    t.equal(signal?.aborted, false, 'not for what leaves it alive')
    await end({ store, tokens, id })
    await until(() => signal?.aborted === true, 'it fires')
    held.open()
    await answer
  })
}

t.test('maxSessionsPerUser ends the user\'s least recently seen session with the sign-in beyond it, and spares other users', async (t) => {
  const { app, browser, clock, store } = await setUp(t, { options: { maxSessionsPerUser: 2 } })
  const told: unknown[] = []
  app.sessions.on('ended', ({ sessionId, userId, reason }) => { told.push({ sessionId, userId, reason }) })
  const stranger = new Browser(app)
  await stranger.post('/login/bob')
  const [second, third] = [new Browser(app), new Browser(app)]
  clock.advance(1)
  await second.post('/login/ada')
  const { id: evicted } = await second.session()
  clock.advance(200)
  await browser.get('/')
  await third.post('/login/ada')
  t.strictSame(told, [{ sessionId: evicted, userId: 'ada', reason: 'evicted' }])
  t.equal((await second.session()).userId, null)
  for (const device of [browser, third]) t.equal((await device.session()).userId, 'ada')
  t.equal((await stranger.session()).userId, 'bob')
  await third.post('/login/ada')
  t.equal((await store.listByUser('ada')).length, 2, 'who signs in again takes the place of their own session')
  t.equal((await browser.session()).userId, 'ada')
})

t.test('without maxSessionsPerUser a user may have any number of sessions', async (t) => {
  const { app, store } = await setUp(t)
  for (let n = 0; n < 20; n++) await new Browser(app).post('/login/ada')
  t.equal((await store.listByUser('ada')).length, 21)
})

t.test('a maxSessionsPerUser that is no whole number from 0 to 10,000 is refused by name', async (t) => {
  for (const maxSessionsPerUser of [-1, 1.5, NaN, 10_001, '3']) {
    // @ts-expect-error: the last is text
    await t.rejects(openApp(t, { options: { maxSessionsPerUser } }), { name: 'TypeError', message: /"maxSessionsPerUser"/ })
  }
})
