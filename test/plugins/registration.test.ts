import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { sessions, type SessionsOptions } from '../../src/plugins/sessions.js'
import { createManager } from '../../src/session/session-manager.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { anySession, Browser, setCookies } from '../helpers/session-app.js'

const KEY = randomBytes(32)
const OTHER = randomBytes(32)
const DAY = 86_400
const trusted = { trustedOrigins: ['https://app.example.com'] }

const escape = (text: string): string => encodeURIComponent(text).slice(0, 20)

interface Refusal {
  readonly title: string
  readonly options: object
  readonly names: RegExp
  /** What must not be printed. */
  readonly secret?: string
}

const weak = (title: string, key: string | Uint8Array): Refusal[] => [
  { title: `authKey: ${title}`, options: { authKey: key }, names: /authKey/, secret: typeof key === 'string' ? key : Buffer.from(key).toString('hex') },
  { title: `authKey: ${title}, second in a list`, options: { authKey: [KEY, key] }, names: /authKey.*key 2/, secret: typeof key === 'string' ? key : Buffer.from(key).toString('hex') },
  { title: `encryptionKey: ${title}`, options: { encryptionKey: key }, names: /encryptionKey/, secret: typeof key === 'string' ? key : Buffer.from(key).toString('hex') }
]

const refusals: Readonly<Record<string, readonly Refusal[]>> = {
  'B01 missing, short and empty keys': [
    { title: 'no authKey', options: { authKey: undefined }, names: /authKey/ },
    { title: 'an empty authKey', options: { authKey: '' }, names: /authKey/ },
    { title: 'an empty list', options: { authKey: [] }, names: /authKey/ },
    { title: 'an empty element', options: { authKey: [KEY, ''] }, names: /authKey.*key 2/ },
    { title: 'a comma at the end', options: { authKey: `${KEY.toString('base64url')},` }, names: /authKey.*key 2/, secret: KEY.toString('base64url') },
    { title: 'a number', options: { authKey: 5 }, names: /authKey/ },
    { title: 'a list with null', options: { authKey: [KEY, null] }, names: /authKey.*key 2/ },
    { title: 'an empty encryptionKey', options: { encryptionKey: '' }, names: /encryptionKey/ },
    ...weak('31 bytes', randomBytes(31)),
    ...weak('31 bytes as base64url', randomBytes(31).toString('base64url')),
    ...weak('31 bytes as hex', randomBytes(31).toString('hex'))
  ],
  'B02 guessable keys': [
    ...weak('15 distinct bytes', Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 7) % 15))),
    ...weak('a block twice', Buffer.concat([KEY.subarray(0, 16), KEY.subarray(0, 16)])),
    ...weak('an ascending run', Buffer.from(Array.from({ length: 32 }, (_, i) => 200 + i & 255))),
    ...weak('a descending run', Buffer.from(Array.from({ length: 32 }, (_, i) => 200 - i))),
    ...weak('readable text', Buffer.from('the quick brown fox jumps over it')),
    ...weak('readable text in base64', Buffer.from('The Quick Brown Fox 7umps 0ver!!').toString('base64')),
    ...weak('words as text', 'correct-horse-battery-staple-and-a-bit-more'),
    ...weak('digits as text', '1234567890123456789012345678901234567890123'),
    { title: 'authKey: a block three times', options: { authKey: Buffer.concat([KEY.subarray(0, 16), KEY.subarray(0, 16), KEY.subarray(0, 16)]) }, names: /authKey/ },
    { title: 'authKey: a block of 16 bytes, the last one cut', options: { authKey: Buffer.concat([KEY.subarray(0, 16), KEY.subarray(0, 16), KEY.subarray(0, 8)]) }, names: /authKey/ }
  ],
  'B03 placeholders': ['secret', 'changeme', 'keyboard cat', 'auth-key', 'enc-key', 'a-secret-with-minimum-length-of-32-characters', 'ChangeMeChangeMeChangeMeChangeMeChangeMe123'].flatMap((text) => weak(text, text))
    .concat(weak('all zeros', Buffer.alloc(32)), weak('all zeros in hex', '0'.repeat(64)), weak('all zeros in base64', Buffer.alloc(32).toString('base64'))),
  'B04 repeated and shared keys': [
    { title: 'the same key twice', options: { authKey: [KEY, OTHER, KEY] }, names: /authKey/, secret: KEY.toString('hex') },
    { title: 'the same key in two spellings', options: { authKey: [KEY.toString('hex'), KEY.toString('base64')] }, names: /authKey/, secret: KEY.toString('hex') },
    { title: 'the same encryptionKey twice', options: { encryptionKey: [OTHER, OTHER] }, names: /encryptionKey/ },
    { title: 'a key for signing and sealing', options: { authKey: KEY, encryptionKey: KEY }, names: /authKey.*encryptionKey/, secret: KEY.toString('hex') },
    { title: 'an old key for signing that seals', options: { authKey: [OTHER, KEY], encryptionKey: [randomBytes(32), KEY] }, names: /authKey.*encryptionKey/ }
  ],
  'B05 sealing keys of another length': [
    { title: '33 bytes', options: { encryptionKey: randomBytes(33) }, names: /encryptionKey.*32/ },
    { title: '64 bytes', options: { encryptionKey: randomBytes(64) }, names: /encryptionKey.*32/ },
    { title: 'one of the list', options: { encryptionKey: [OTHER, randomBytes(48)] }, names: /encryptionKey.*key 2/ }
  ],
  'B06 httpOnly off': [
    { title: 'httpOnly: false', options: { httpOnly: false }, names: /httpOnly/ },
    { title: 'httpOnly: 0', options: { httpOnly: 0 }, names: /httpOnly/ },
    { title: 'secure: "auto"', options: { secure: 'auto' }, names: /secure/ }
  ],
  'B07 SameSite': [
    { title: 'none without Secure', options: { sameSite: 'none', secure: false, csrf: trusted }, names: /sameSite/ },
    { title: 'none without trusted origins', options: { sameSite: 'none' }, names: /sameSite.*trustedOrigins/ },
    { title: 'none with an empty list', options: { sameSite: 'none', csrf: { trustedOrigins: [] } }, names: /sameSite/ },
    { title: 'none with csrf off', options: { sameSite: 'none', csrf: 'dangerouslyOff' }, names: /sameSite/ },
    { title: 'Laxx', options: { sameSite: 'Laxx' }, names: /sameSite/ },
    { title: 'true', options: { sameSite: true }, names: /sameSite/ },
    { title: 'Lax with a capital', options: { sameSite: 'Lax' }, names: /sameSite/ },
    { title: 'false', options: { sameSite: false }, names: /sameSite/ }
  ],
  'B08 prefixes': [
    { title: '__Host- with a domain', options: { sessionName: '__Host-sid', domain: 'example.com' }, names: /sessionName|domain/ },
    { title: '__Host- with a path', options: { sessionName: '__Host-sid', path: '/app' }, names: /path/ },
    { title: '__Host- without Secure', options: { sessionName: '__Host-sid', secure: false }, names: /secure/ },
    { title: '__Secure- without Secure', options: { sessionName: '__Secure-sid', secure: false }, names: /secure/ },
    ...['__host-sid', '__HOST-sid', '__secure-sid', '__SECURE-sid', '__Http-sid', '__Host-Http-sid'].map((sessionName) => ({ title: sessionName, options: { sessionName }, names: /sessionName/ }))
  ],
  'B09 domains': ['127.0.0.1', '::1', '[::1]', 'localhost', '.example.com', 'example.com.', 'https://example.com', 'example.com:443', 'example.com/', 'exa mple.com', 'example.com;Path=/', 'ex\r\nample.com', '', 'a..b', '-a.example', 'a-.example', 'müller.example', `${'a'.repeat(64)}.example`, `${'a.'.repeat(127)}com`, '1.2.3', 'co.uk', 'com.au', 'github.io', 'herokuapp.com']
    .map((domain) => ({ title: JSON.stringify(domain), options: { domain }, names: /domain/ }))
    .concat([{ title: 'a list', options: { domain: ['example.com'] } as unknown as { domain: string }, names: /domain/ }]),
  'B10 names': ['', 'a b', 'a;b', 'a=b', 'a,b', 'a"b', 'a\0b', 'sid\r\nSet-Cookie:x', 'sïd', 'a(b)', 'a/b', 'a@b', 'x'.repeat(65)]
    .map((sessionName) => ({ title: JSON.stringify(sessionName), options: { sessionName }, names: /sessionName/ }))
    .concat([{ title: 'a number', options: { sessionName: 5 } as unknown as { sessionName: string }, names: /sessionName/ }]),
  'B11 paths': ['', 'app', './app', '/a;b', '/a\nb', '/a\0b', '/ä', '/\u2028', `/${'a'.repeat(1024)}`].map((path) => ({ title: escape(path), options: { path }, names: /path/ })),
  'B12 durations': [
    ...[0, -1, NaN, Infinity, 400 * DAY + 1, 0.5, '86400', null, 86_400_000].map((maxAge) => ({ title: `maxAge ${String(maxAge)}`, options: { maxAge }, names: /maxAge/ })),
    ...[0, -1, NaN, Infinity, 400 * DAY + 1, '1'].map((absoluteMaxAge) => ({ title: `absoluteMaxAge ${String(absoluteMaxAge)}`, options: { absoluteMaxAge }, names: /absoluteMaxAge/ })),
    { title: 'idle over absolute', options: { maxAge: 100, absoluteMaxAge: 99 }, names: /absoluteMaxAge.*maxAge/ },
    ...[-1, NaN, 101, '5'].map((refreshInterval) => ({ title: `refreshInterval ${String(refreshInterval)}`, options: { maxAge: 100, refreshInterval }, names: /refreshInterval/ })),
    ...[-1, NaN, 0.5, DAY + 1, '900', Infinity].map((cleanupInterval) => ({ title: `cleanupInterval ${String(cleanupInterval)}`, options: { cleanupInterval }, names: /cleanupInterval/ }))
  ],
  'B20 unknown and misspelt options': [
    { title: 'authKeys', options: { authKeys: KEY }, names: /"authKeys".*"authKey"/ },
    { title: 'maxage', options: { maxage: 5 }, names: /"maxage".*"maxAge"/ },
    { title: 'samesite', options: { samesite: 'lax' }, names: /"samesite".*"sameSite"/ },
    { title: 'encryptionKeys', options: { encryptionKeys: OTHER }, names: /"encryptionKeys".*"encryptionKey"/, secret: OTHER.toString('hex') },
    { title: 'decorater', options: { decorater: 'x' }, names: /"decorater".*"decorator"/ },
    { title: 'stores', options: { stores: {} }, names: /"stores".*"store"/ },
    { title: 'something else', options: { whatever: true }, names: /"whatever"/ },
    { title: 'a sealer: the plugin makes its own', options: { sealer: { seal: String, open: () => null } }, names: /"sealer"/ },
    { title: 'a log: the plugin gives the application\'s', options: { log: console }, names: /"log"/ },
    { title: 'csrf: false', options: { csrf: false }, names: /csrf/ },
    { title: 'csrf: null', options: { csrf: null }, names: /csrf/ },
    { title: 'csrf.trustedOrigin', options: { csrf: { trustedOrigin: [] } }, names: /"trustedOrigin".*"trustedOrigins"/ },
    { title: 'csrf.trustedOrigins as text', options: { csrf: { trustedOrigins: 'https://a.example' } }, names: /csrf\.trustedOrigins/ },
    ...['*', 'null', 'https://a.example/', 'https://a.example/path', 'a.example', 'https://*.a.example', 'HTTPS://A.EXAMPLE', 'https://a.example:443', 'file:///x', '', 5].map((origin) => ({ title: `trusted origin ${origin}`, options: { csrf: { trustedOrigins: [origin] } }, names: /csrf\.trustedOrigins/ })),
    { title: 'onStoreError: "ignore"', options: { onStoreError: 'ignore' }, names: /onStoreError/ },
    { title: 'recordDevice: "yes"', options: { recordDevice: 'yes' }, names: /recordDevice/ },
    { title: 'decorator with a space', options: { decorator: 'my session' }, names: /decorator/ },
    { title: 'decorator that is no text', options: { decorator: 5 }, names: /decorator/ },
    { title: 'store: null', options: { store: null }, names: /store/ },
    { title: 'store: {}', options: { store: {} }, names: /store/ },
    { title: 'no store', options: { store: undefined }, names: /store/ }
  ]
}

const register = async (options: object): Promise<void> => {
  const app = Fastify()
  try {
    const store = 'store' in options ? options.store : new MemoryStore()
    await app.register(sessions, { authKey: KEY, ...options, store } as SessionsOptions)
    await app.ready()
  } finally {
    await app.close().catch(() => {})
  }
}

for (const [row, cases] of Object.entries(refusals)) {
  t.test(`refused at registration: ${row}`, async (t) => {
    for (const { title, options, names, secret } of cases) {
      const error: unknown = await register(options).then(() => null, (error: unknown) => error)
      t.ok(error instanceof TypeError, `${title}: a TypeError`)
      const message = error instanceof Error ? error.message : ''
      t.match(message, names, title)
      if (secret !== undefined && secret.length > 12) t.notOk(message.toLowerCase().includes(secret.toLowerCase().slice(0, 12)), `${title}: prints no secret`)
    }
  })
}

t.test('refused at registration: B06 secure: false with NODE_ENV=production', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  const store = new MemoryStore() // which refuses production itself
  process.env['NODE_ENV'] = 'production'
  await t.rejects(register({ store, secure: false }), { name: 'TypeError', message: /"secure"/ })
  await t.resolves(register({ store }))
  process.env['NODE_ENV'] = 'development'
  await t.resolves(register({ store, secure: false }))
})

t.test('refused at registration: B16 a memory store with NODE_ENV=production', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  process.env['NODE_ENV'] = 'production'
  await t.rejects(register({}), { name: 'TypeError', message: /MemoryStore/ })
})

t.test('accepted: the options at their limits', async (t) => {
  const good: readonly object[] = [
    { maxAge: 1 }, { maxAge: 400 * DAY }, { maxAge: 400 * DAY, absoluteMaxAge: 400 * DAY }, { maxAge: 100, absoluteMaxAge: 100 }, { refreshInterval: 0 },
    { maxAge: 100, refreshInterval: 100 }, { cleanupInterval: 0 }, { cleanupInterval: 1 }, { cleanupInterval: DAY }, { maxAge: 1.5 },
    { sessionName: 'x'.repeat(64) }, { sessionName: '!#$%&\'*+-.^_`|~09AZaz' }, { sessionName: '__Secure-x' }, { sessionName: '__Host-x' }, { sessionName: '__proto__' }, { sessionName: '__hosted' },
    { domain: 'example.com' }, { domain: 'a.b-c.example.co.uk' }, { domain: 'xn--mller-kva.example' }, { path: '/a/b%20c' }, { path: `/${'a'.repeat(1022)}` },
    { sameSite: 'none', csrf: trusted }, { sameSite: 'strict' }, { csrf: {} }, { csrf: 'dangerouslyOff' }, { csrf: { trustedOrigins: ['http://localhost:8080', 'https://a.example', 'https://[::1]:8443'] } },
    { authKey: [KEY, OTHER] }, { authKey: `${KEY.toString('hex')}, ${OTHER.toString('base64')}` }, { authKey: new Uint8Array(KEY) }, { authKey: randomBytes(64) },
    { encryptionKey: OTHER }, { encryptionKey: [OTHER.toString('base64url'), randomBytes(32)] }, { decorator: '$session_1' }, { secure: false }, { onStoreError: 'anonymous' }, { recordDevice: false }
  ]
  for (const options of good) await t.resolves(register(options), JSON.stringify(options).slice(0, 80))
})

t.test('frozen options are accepted, and none is changed', async (t) => {
  const options = Object.freeze({ store: new MemoryStore(), authKey: Object.freeze([KEY]), csrf: Object.freeze({ trustedOrigins: Object.freeze(['https://a.example']) }), cleanupInterval: 0 })
  const app = Fastify()
  await app.register(sessions, options)
  await app.close()
  t.strictSame(Object.keys(options), ['store', 'authKey', 'csrf', 'cleanupInterval'])
})

t.test('B21: the plugin is refused twice in one context, under another decorator too', async (t) => {
  for (const second of [{}, { decorator: 'other' }, { sessionName: 'other', decorator: 'other' }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(sessions, { store: new MemoryStore(), authKey: KEY, cleanupInterval: 0 })
    await t.rejects(async () => await app.register(sessions, { store: new MemoryStore(), authKey: KEY, cleanupInterval: 0, ...second }), { name: 'TypeError', message: /registered already/ })
  }
})

t.test('B21: a request property that is taken is refused, naming the option', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorateRequest('mine', null)
  await t.rejects(async () => await app.register(sessions, { store: new MemoryStore(), authKey: KEY, decorator: 'mine' }), { name: 'TypeError', message: /mine.*"decorator"/ })
})

t.test('a refused registration leaves no timer behind', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.decorateRequest('mine', null)
  const started = t.capture(globalThis, 'setTimeout', globalThis.setTimeout)
  await t.rejects(async () => await app.register(sessions, { store: new MemoryStore(), authKey: KEY, decorator: 'mine', cleanupInterval: 901 }))
  t.notOk(started().some(({ args: [, ms] }) => Number(ms) > 450_000))
})

t.test('two contexts have sessions, cookies and stores of their own', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const [prefix, sessionName] of [['/shop', 'shop'], ['/admin', 'admin']] as const) {
    await app.register(async (child) => {
      await child.register(sessions, { store: new MemoryStore(), authKey: KEY, sessionName, cleanupInterval: 0 })
      child.post('/login/:user', async (request) => { request.session.setUserId((request.params as { user: string }).user) })
      child.get('/', async (request) => ({ userId: request.session.userId, values: anySession(request).values }))
    }, { prefix })
  }
  app.get('/outside', async (request) => ({ session: 'session' in request, sessions: app.hasDecorator('sessions') }))
  await app.ready()
  const browser = new Browser(app)
  await browser.post('/shop/login/ada')
  await browser.post('/admin/login/root')
  t.equal((await browser.get('/shop/')).json().userId, 'ada')
  t.equal((await browser.get('/admin/')).json().userId, 'root')
  t.strictSame((await browser.get('/outside')).json(), { session: false, sessions: false })

  const moved = new Browser(app, [['admin', browser.cookies.get('shop') ?? '']])
  const answer = await moved.get('/admin/')
  t.equal(answer.json().userId, null, 'a cookie value moved to another name')
  t.strictSame(setCookies(answer), [])
})

t.test('closing the application stops the timer and closes the store', async (t) => {
  let closed = 0
  class Counted extends MemoryStore {
    override async close (): Promise<void> { closed++ }
  }
  const app = Fastify()
  const started = t.capture(globalThis, 'setTimeout', globalThis.setTimeout)
  const cleared = t.capture(globalThis, 'clearTimeout', globalThis.clearTimeout)
  await app.register(sessions, { store: new Counted(), authKey: KEY, cleanupInterval: 901 })
  await app.ready()
  const timer = started().find(({ args: [, ms] }) => Number(ms) > 450_000)
  await app.close()
  t.equal(closed, 1)
  t.ok(timer !== undefined && 'returned' in timer && cleared().some(({ args: [which] }) => which === timer.returned))
})

t.test('createManager takes no encryptionKey, and says what to give instead', async (t) => {
  t.throws(() => createManager(new MemoryStore(), { authKey: KEY, encryptionKey: OTHER } as object as { authKey: Buffer }), { name: 'TypeError', message: /sealer/ })
})

t.test('a nested context may have a session of another plugin under the same name, whichever comes first', async (t) => {
  for (const isFirst of [true, false]) {
    const app = Fastify()
    t.teardown(() => app.close())
    const nest = async (): Promise<void> => {
      await app.register(async (nested) => {
        nested.decorateRequest('session')
        nested.addHook('onRequest', async (request) => { Object.assign(request, { session: { other: true } }) })
        nested.get('/nested', async (request) => request.session)
      })
    }
    if (!isFirst) await nest()
    await app.register(sessions, { store: new MemoryStore(), authKey: KEY, cleanupInterval: 0 })
    if (isFirst) await nest()
    app.get('/', async (request) => ({ userId: request.session.userId, own: Object.hasOwn(request, 'session') }))
    t.strictSame((await app.inject('/nested')).json(), { other: true }, `registered ${isFirst ? 'before' : 'after'} it`)
    t.strictSame((await app.inject('/')).json(), { userId: null, own: false })
  }
})
