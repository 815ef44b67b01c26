import { randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import t from 'tap'
import { hashSecret, newId, newSecret } from '../../src/core/credential.js'
import { deriveKey } from '../../src/core/keys.js'
import type { SessionEventName } from '../../src/session/events.js'
import { anySession, Browser, KEY, LogLines, NAME, openApp, setCookies, signed } from '../helpers/session-app.js'

const EVENTS: readonly SessionEventName[] = ['created', 'signedIn', 'regenerated', 'destroyed', 'ended', 'blocked', 'rejected', 'cleanup']
const SEAL_KEY = randomBytes(32)

/** The ways in which bytes are written down. */
const spellings = (bytes: Uint8Array): string[] => {
  const buffer = Buffer.from(bytes)
  return [buffer.toString('hex'), buffer.toString('base64').replace(/=+$/, ''), buffer.toString('base64url'), [...buffer].join(','), [...buffer].join(', '), buffer.toString('hex').match(/../g)?.slice(0, 20).join(' ') ?? '']
}

/** Everything that can be reached from a value, functions and prototypes' getters apart, as text. */
function walk (root: unknown): string {
  const seen = new Set<unknown>()
  const texts: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value)
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (value instanceof Uint8Array) { texts.push(...spellings(value)); return }
    if (value instanceof Map || value instanceof Set) for (const inner of value) visit(inner)
    for (const key of Reflect.ownKeys(value)) {
      texts.push(String(key))
      visit(Reflect.get(value, key))
    }
  }
  visit(root)
  return texts.join('\n')
}

for (const [mode, options] of Object.entries({ signed: {}, sealed: { encryptionKey: SEAL_KEY } })) {
  t.test(`no event and no log line carries a secret, a cookie value or a session's value: ${mode}`, async (t) => {
    const log = new LogLines()
    const told: { event: string, text: string }[] = []
    const channels = EVENTS.map((event) => {
      const listener = (message: unknown): void => {
        told.push({ event, text: [walk(message), inspect(message, { depth: 20, showHidden: true }), JSON.stringify(message)].join('\n') })
      }
      const events = channel(`silverback:${event}`)
      events.subscribe(listener)
      return () => events.unsubscribe(listener)
    })
    t.teardown(() => channels.forEach((end) => end()))

    const { app, store, clock } = await openApp(t, {
      options,
      server: { logger: { level: 'trace', stream: log } },
      routes: (app) => {
        app.post('/act', async (request) => {
          const session = anySession(request)
          session.set('note', 'a-private-value')
          await session.save()
          session.setUserId('ada', { roles: ['editor'] })
          await session.update('n', (n) => Number(n ?? 0) + 1)
          await session.regenerate(['note'])
          request.log.info({ session }, 'an application logs its session')
          request.log.info({ sessions: app.sessions }, 'and its manager')
          return 'ok'
        })
        app.post('/late', async (request) => {
          await app.sessions.end(request.session.id)
          anySession(request).set('note', 'a-private-value')
          return 'ok'
        })
        app.post('/bad-value', async (request) => {
          anySession(request).set('note', { inner: 'a-private-value', bad: NaN })
        })
      }
    })
    const secrets = [...spellings(KEY), ...spellings(SEAL_KEY), ...spellings(deriveKey(KEY, 'session cookie', NAME)), ...spellings(deriveKey(SEAL_KEY, 'session cookie seal', NAME)), 'a-private-value']
    const browser = new Browser(app)
    const steps: [string, () => unknown][] = [
      ['/act', () => {}],
      ['/act', () => clock.advance(20_000)],
      ['/late', () => {}],
      ['/bad-value', () => {}],
      ['/act', () => store.break('save')],
      ['/plain', () => store.break('get')],
      ['/act', () => store.mend()],
      ['/destroy', () => {}],
      ['/login/ada', () => {}]
    ]
    for (const [url, before] of steps) {
      before()
      for (const { value } of setCookies(await browser.post(url), NAME)) {
        if (value === '') continue
        secrets.push(value, encodeURIComponent(value), ...value.split('.'))
        if (mode === 'signed') {
          const secret = Buffer.from(value.slice(0, 72), 'base64url').subarray(17, 49)
          secrets.push(...spellings(secret), ...spellings(hashSecret(secret)))
        }
      }
    }
    const forged = signed({ id: newId(), secret: newSecret(), issuedAt: 0 }, NAME, randomBytes(32))
    const unknown = signed({ id: newId(), secret: newSecret(), issuedAt: 0 })
    secrets.push(forged, unknown)
    await app.inject({ url: '/', headers: { cookie: `${NAME}=${forged}` } })
    await app.inject({ url: '/', headers: { cookie: `${NAME}=${unknown}` } })
    const [one] = await app.sessions.list('ada')
    await app.sessions.block(one?.id ?? '', 'stolen')
    await browser.get('/')
    await app.sessions.endAll('ada')
    await app.sessions.cleanup()

    const wanted = mode === 'signed' ? EVENTS : EVENTS.filter((event) => event !== 'rejected')
    for (const event of wanted) t.ok(told.some((one) => one.event === event), `${event} was told`)
    t.ok(log.lines.length > 25)
    t.ok(secrets.length > 20)
    for (const secret of secrets) {
      t.notOk(told.some(({ text }) => text.includes(secret)), `an event carries ${secret.slice(0, 4)}…`)
      t.notOk(log.lines.some((line) => line.includes(secret)), `a log line carries ${secret.slice(0, 4)}…`)
    }
  })
}

t.test('the events tell what happened, in order, and to their own manager alone', async (t) => {
  const { app } = await openApp(t)
  const { app: other } = await openApp(t)
  const told: unknown[] = []
  const ends = EVENTS.map((event) => app.sessions.on(event, ({ event, ...facts }) => { told.push([event, facts]) }))
  let elsewhere = 0
  for (const event of EVENTS) other.sessions.on(event, () => { elsewhere++ })
  const take = (): unknown[] => told.splice(0)

  const browser = new Browser(app)
  await browser.post('/set/a/1')
  const visitor = await browser.session()
  t.strictSame(take(), [['created', { sessionId: visitor.id, userId: null, clientIp: '127.0.0.1' }]])

  await browser.post('/login/ada')
  const user = await browser.session()
  t.strictSame(take(), [
    ['created', { sessionId: user.id, userId: 'ada', clientIp: '127.0.0.1' }],
    ['signedIn', { sessionId: user.id, userId: 'ada', clientIp: '127.0.0.1' }],
    ['ended', { sessionId: visitor.id, userId: null, reason: 'replaced' }]
  ])

  await browser.post('/regenerate')
  const renewed = await browser.session()
  t.strictSame(take(), [['regenerated', { sessionId: renewed.id, previousId: user.id }]])

  await app.sessions.block(renewed.id, 'stolen')
  await browser.get('/plain')
  t.strictSame(take(), [['blocked', { sessionId: renewed.id, reason: 'stolen' }], ['rejected', { reason: 'unknown', clientIp: '127.0.0.1', sessionId: renewed.id }]])

  await app.sessions.unblock(renewed.id)
  await browser.post('/destroy')
  t.strictSame(take(), [['destroyed', { sessionId: renewed.id }]])

  await app.inject({ url: '/', headers: { cookie: `${NAME}=forged` } })
  t.strictSame(take(), [['rejected', { reason: 'forged', clientIp: '127.0.0.1' }]])

  await browser.post('/login/ada')
  const last = await browser.session()
  take()
  t.equal(await app.sessions.end(last.id), true)
  t.equal(await app.sessions.end(last.id), false)
  t.strictSame(take(), [['ended', { sessionId: last.id, reason: 'ended' }]], 'what has ended ends once')

  await app.sessions.cleanup()
  t.match(take(), [['cleanup', { count: 0, ms: Number }]])

  ends.forEach((end) => end())
  await browser.post('/set/a/1')
  t.strictSame(take(), [], 'after the end of a subscription')
  t.equal(elsewhere, 0)
})

t.test('an unknown event is refused', async (t) => {
  const { app } = await openApp(t)
  t.throws(() => app.sessions.on('signedOut' as 'ended', () => {}), { name: 'TypeError', message: /signedOut/ })
})

t.test('V23: a listener that throws neither fails the request nor keeps the session alive', async (t) => {
  const { app } = await openApp(t)
  const thrown: unknown[] = []
  const catcher = (error: unknown): void => { thrown.push(error) }
  process.once('uncaughtException', catcher)
  t.teardown(() => process.off('uncaughtException', catcher))
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const end = app.sessions.on('destroyed', () => { throw new Error('a listener') })
  const stolen = browser.copy()
  t.equal((await browser.post('/destroy')).statusCode, 200)
  end()
  t.equal((await stolen.session()).userId, null)
  await new Promise((resolve) => { setImmediate(resolve) })
  t.match(thrown, [{ message: 'a listener' }], 'Node tells the process of it')
})
