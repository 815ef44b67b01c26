import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newId, newSecret } from '../../src/core/credential.js'
import { anySession, Browser, KEY, NAME, openApp, setCookies, signed } from '../helpers/session-app.js'

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD'] as const
const everyMethod = { method: [...METHODS], url: '/any', handler: async () => 'any' }

t.test('a visitor without a cookie costs no query, no row and no Set-Cookie', async (t) => {
  const { app, store } = await openApp(t, { routes: (app) => app.route(everyMethod) })
  for (const method of METHODS) {
    for (const url of ['/any', '/plain', '/', '/missing']) {
      const answer = await app.inject({ method, url })
      t.strictSame(setCookies(answer), [])
      t.equal(answer.headers['vary'], undefined)
    }
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('reading a stranger\'s session, and regenerating or ending it, stores nothing', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/look', async (request) => {
      const session = anySession(request)
      session.get('a')
      session.has('a')
      session.data()
      session.touch()
      session.options({ maxAge: 60 })
      session.set('a', 1)
      session.set('a', undefined)
      session.set('b', 1)
      session.delete('b')
      session.setUserId(null)
      await session.save()
      await session.reload()
      await session.regenerate()
      return { isNew: session.isNew, isModified: session.isModified(), isSaved: session.isSaved(), aborted: session.signal.aborted }
    })
  })
  for (const url of ['/look', '/logout', '/destroy', '/regenerate']) {
    const answer = await app.inject({ method: 'POST', url })
    t.equal(answer.statusCode, 200)
    t.strictSame(setCookies(answer), [])
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('a row and a cookie appear with the first set, update or setUserId', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/update', async (request) => await anySession(request).update('n', (n) => Number(n ?? 0) + 1))
  })
  for (const url of ['/set/a/1', '/update', '/login/ada']) {
    const answer = await app.inject({ method: 'POST', url })
    t.equal(setCookies(answer, NAME).length, 1, url)
    t.equal(store.takeCalls().filter((method) => method === 'create').length, 1, url)
  }
})

const hostile: Record<string, string> = {
  'an empty value': '',
  'a value that is no credential': 'hello',
  'random characters of the right length and form': `${randomBytes(54).toString('base64url')}.${randomBytes(32).toString('base64url')}`,
  'a credential signed with another key': signed({ id: newId(), secret: newSecret(), issuedAt: 0 }, NAME, randomBytes(32)),
  'a credential signed for another cookie name': signed({ id: newId(), secret: newSecret(), issuedAt: 0 }, 'sid'),
  'a bad percent encoding': '%E0%A4%A',
  'an encoded NUL': '%00',
  'a double encoding': '%2525',
  'a quoted credential': `"${signed({ id: newId(), secret: newSecret(), issuedAt: 0 })}"`,
  'a percent-encoded credential': encodeURIComponent(signed({ id: newId(), secret: newSecret(), issuedAt: 0 })).replace('.', '%2E'),
  'a value of bytes from 0x80 to 0xFF': '\u0080\u00e9\u00ff',
  'a value of 8 KiB': 'a'.repeat(8192),
  'a text that looks like SQL': "' OR 1=1 --",
  'a prototype name': '__proto__'
}

t.test('a forged cookie causes no query, no row and no Set-Cookie', async (t) => {
  const { app, store } = await openApp(t, { routes: (app) => app.route(everyMethod) })
  for (const [what, value] of Object.entries(hostile)) {
    for (const method of METHODS) {
      const answer = await app.inject({ method, url: '/any', headers: { cookie: `${NAME}=${value}` } })
      t.equal(answer.statusCode, 200, what)
      t.strictSame(setCookies(answer), [], what)
    }
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('session fixation: a validly signed id that the client chose is never adopted', async (t) => {
  const { app, store, clock } = await openApp(t)
  const chosen = { id: newId(), secret: newSecret(), issuedAt: clock.now().getTime() }
  const browser = new Browser(app, [[NAME, signed(chosen)]])
  const read = await browser.get('/')
  t.strictSame(setCookies(read), [], 'a late answer must not wipe what a login has just set')
  t.not(read.json().id, chosen.id)
  t.equal(read.json().isNew, true)
  await browser.post('/login/ada')
  t.not((await browser.session()).id, chosen.id)
  t.equal(await store.get(chosen.id), null)
  t.equal((await browser.session()).userId, 'ada')
})

t.test('session fixation: a visitor who signs in gets a new id, and the cookie before it is dead', async (t) => {
  const { app } = await openApp(t)
  const visitor = new Browser(app)
  await visitor.post('/set/cart/1')
  const before = await visitor.session()
  const attacker = visitor.copy()
  await visitor.post('/login/ada')
  const after = await visitor.session()
  t.not(after.id, before.id)
  t.equal(after.userId, 'ada')
  t.strictSame(after.values, { cart: '1' })
  t.match(await attacker.session(), { userId: null, values: {}, isNew: true })
})

t.test('a stolen id without its secret opens nothing', async (t) => {
  const { app, clock } = await openApp(t)
  const owner = new Browser(app)
  await owner.post('/login/ada')
  const { id } = await owner.session()
  const thief = new Browser(app, [[NAME, signed({ id, secret: newSecret(), issuedAt: clock.now().getTime() })]])
  const answer = await thief.get('/')
  t.match(answer.json(), { userId: null, isNew: true })
  t.strictSame(setCookies(answer), [])
  t.equal((await owner.session()).userId, 'ada')
})

t.test('no credential is read from a URL, a body or another header', async (t) => {
  const { app, store } = await openApp(t)
  const owner = new Browser(app)
  await owner.post('/login/ada')
  const value = owner.cookies.get(NAME) ?? ''
  store.takeCalls()
  for (const headers of [{ 'x-session-id': value }, { authorization: `Bearer ${value}` }, { cookie2: `${NAME}=${value}` }, { 'set-cookie': `${NAME}=${value}` }]) {
    t.equal((await app.inject({ url: '/', headers })).json().userId, null)
  }
  t.equal((await app.inject({ url: `/?sid=${value}&${NAME}=${value}` })).json().userId, null)
  t.strictSame(store.takeCalls(), [])
})

t.test('two cookies of our name are accepted only if exactly one verifies', async (t) => {
  const { app, store } = await openApp(t)
  const [ada, bob] = [new Browser(app), new Browser(app)]
  await ada.post('/login/ada')
  await bob.post('/login/bob')
  const [a = '', b = ''] = [ada.cookies.get(NAME), bob.cookies.get(NAME)]
  const who = async (...values: string[]): Promise<unknown> => {
    const answer = await app.inject({ url: '/', headers: { cookie: values.map((value) => `${NAME}=${value}`).join('; ') } })
    t.equal(answer.statusCode, 200)
    return answer.json().userId
  }
  t.equal(await who(a, 'junk'), 'ada')
  t.equal(await who('junk', a), 'ada')
  t.equal(await who('', a, 'junk'), 'ada')
  t.equal(await who(a, a), 'ada', 'the same one twice is one')
  store.takeCalls()
  t.equal(await who(a, b), null)
  t.equal(await who(b, a), null)
  t.equal(await who('junk', b, a), null)
  t.strictSame(store.takeCalls(), [], 'without a query')
})

t.test('a cookie name is compared exactly and never percent-decoded', async (t) => {
  const { app, store } = await openApp(t)
  const owner = new Browser(app)
  await owner.post('/login/ada')
  const value = owner.cookies.get(NAME) ?? ''
  store.takeCalls()
  for (const name of ['%5F%5FHost-sid', '__host-sid', '__HOST-SID', '__Host-sid ', '__Host-sid%20', 'x__Host-sid', '__Host-sid2', '__Host-', '$__Host-sid', '"__Host-sid"', '__Host%2Dsid', '__Host-sid\u00a0']) {
    t.equal((await app.inject({ url: '/', headers: { cookie: `${name}=${value}` } })).json().userId, null, name)
    t.equal((await app.inject({ url: '/', headers: { cookie: `a=b; ${name}=${value}; c=d` } })).json().userId, null, name)
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('cookies named like prototype members have no effect', async (t) => {
  const { app, store } = await openApp(t)
  const answer = await app.inject({ url: '/', headers: { cookie: '__proto__=x; constructor=y; toString=z' } })
  t.equal(answer.statusCode, 200)
  t.strictSame(store.takeCalls(), [])
})

t.test('a cookie bomb is a stranger\'s, in little time', async (t) => {
  const { app, store } = await openApp(t)
  const junk = `${NAME}=${'a'.repeat(72)}.${'a'.repeat(43)}`
  const bombs = [
    Array.from({ length: 180 }, (_, i) => `c${i}=${'x'.repeat(60)}`).join('; '),
    Array.from({ length: 120 }, () => junk).join('; '),
    Array.from({ length: 120 }, (_, i) => `${NAME}=${String(i).padStart(72, 'a')}.${'a'.repeat(43)}`).join('; '),
    `${NAME}${'='.repeat(15_000)}`,
    `${NAME}=`.repeat(1_200),
    `${' '.repeat(7_000)}${NAME}=${' '.repeat(7_000)}x`
  ]
  for (const cookie of bombs) {
    const startedAt = performance.now()
    const answer = await app.inject({ url: '/plain', headers: { cookie } })
    t.equal(answer.statusCode, 200)
    t.ok(performance.now() - startedAt < 5_000)
    t.strictSame(setCookies(answer), [])
  }
  t.strictSame(store.takeCalls(), [])
})

t.test('10,000 requests without, with random and with wrongly signed cookies add no row', async (t) => {
  const { app, store } = await openApp(t)
  for (let n = 0; n < 10_000; n++) {
    const kind = n % 3
    const value = kind === 1 ? randomBytes(86).toString('base64url') : signed({ id: newId(), secret: newSecret(), issuedAt: 0 }, NAME, Buffer.from(KEY.toReversed()))
    await app.inject({ method: n % 2 === 0 ? 'GET' : 'POST', url: n % 5 === 0 ? '/logout' : '/plain', headers: kind === 0 ? {} : { cookie: `${NAME}=${value}` } })
  }
  t.strictSame(store.takeCalls(), [])
})
