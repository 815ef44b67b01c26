import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyServerOptions, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { sessions, type SessionsOptions } from '../../src/plugins/sessions.js'
import { createCookieCodec } from '../../src/session/cookie.js'
import type { RequestSession } from '../../src/session/request-session.js'
import type { Session } from '../../src/session/session.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { standingClock, type Clock } from './memory-harness.js'
import { ProbedStore } from './session-store.js'

/** Any session, its values untyped: whatever an augmentation in another test file says. */
export type AnySession = Session<Record<string, unknown>>

/** The key that the tests sign with. */
export const KEY = randomBytes(32)

/** The name of the cookie where the options leave it alone. */
export const NAME = '__Host-sid'

export interface TestApp {
  readonly app: FastifyInstance
  readonly store: ProbedStore
  readonly clock: Clock
}

/** The least that a test needs of what it closes itself with. */
interface Teardown { teardown (close: () => unknown): void }

export interface TestAppSetup {
  readonly options?: Partial<SessionsOptions>
  readonly server?: FastifyServerOptions
  /** Runs before the plugin is registered. */
  readonly before?: (app: FastifyInstance) => unknown
  /** Adds the routes, after the plugin is registered. */
  readonly routes?: (app: FastifyInstance) => unknown
}

/** An application with the plugin over a probed memory store, whose clock moves only when told. */
export async function openApp (t: Teardown, { options, server, before, routes }: TestAppSetup = {}): Promise<TestApp> {
  const clock = standingClock()
  const store = new ProbedStore(new MemoryStore({ clock: () => clock.now() }))
  const app = Fastify(server ?? {})
  t.teardown(() => app.close())
  await before?.(app)
  await app.register(sessions, { store, authKey: KEY, cleanupInterval: 0, ...options })
  addRoutes(app)
  await routes?.(app)
  await app.ready()
  return { app, store, clock }
}

/** Routes that most tests share. */
function addRoutes (app: FastifyInstance): void {
  app.get('/', async (request) => ({ ...facts(request.session) }))
  app.get('/plain', async () => 'plain')
  app.post('/set/:key/:value', async (request) => {
    const { key, value } = request.params as { key: string, value: string }
    anySession(request).set(key, value)
    return 'set'
  })
  app.post('/login/:user', async (request) => {
    const { user } = request.params as { user: string }
    request.session.setUserId(user)
    return 'in'
  })
  app.post('/logout', async (request) => {
    request.session.setUserId(null)
    return 'out'
  })
  app.post('/destroy', async (request) => {
    await request.session.destroy()
    return 'destroyed'
  })
  app.post('/regenerate', async (request) => {
    await request.session.regenerate()
    return 'regenerated'
  })
}

/** The session of a request, its values untyped. */
export const anySession = (request: { readonly session: object }): AnySession => request.session as AnySession

/** What a test asks of a session most. */
export const facts = (session: object): { id: string, userId: string | null, values: object, isNew: boolean } => {
  const { id, userId, values, isNew } = session as AnySession
  return { id, userId, values, isNew }
}

/** One `Set-Cookie` of an answer, taken apart. */
export interface SetCookie {
  readonly name: string
  readonly value: string
  readonly attributes: Readonly<Record<string, string | true>>
}

/** All `Set-Cookie`s of an answer, or those of one name. */
export function setCookies (answer: LightMyRequestResponse, name?: string): SetCookie[] {
  const lines = [answer.headers['set-cookie'] ?? []].flat()
  return lines.map((line) => {
    const [pair = '', ...rest] = line.split('; ')
    const at = pair.indexOf('=')
    const attributes = Object.fromEntries(rest.map((part): [string, string | true] => {
      const [key = '', value] = part.split('=')
      return [key, value ?? true]
    }))
    return { name: pair.slice(0, at), value: pair.slice(at + 1), attributes }
  }).filter((cookie) => name === undefined || cookie.name === name)
}

/** A browser: keeps cookies, drops those it is told to drop. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #app: FastifyInstance

  constructor (app: FastifyInstance, cookies: Iterable<[string, string]> = []) {
    this.#app = app
    for (const [name, value] of cookies) this.cookies.set(name, value)
  }

  /** The `Cookie` header that it sends. */
  get header (): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Another one with the same cookies, as they are now. */
  copy (): Browser {
    return new Browser(this.#app, this.cookies)
  }

  async send (method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD' | 'PATCH' | 'OPTIONS', url: string, options: InjectOptions = {}): Promise<LightMyRequestResponse> {
    const headers = { ...(this.cookies.size > 0 && { cookie: this.header }), ...options.headers }
    const answer = await this.#app.inject({ ...options, method, url, headers })
    for (const { name, value, attributes } of setCookies(answer)) {
      if (attributes['Max-Age'] === '0') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return answer
  }

  get (url: string, options?: InjectOptions): Promise<LightMyRequestResponse> { return this.send('GET', url, options) }
  post (url: string, options?: InjectOptions): Promise<LightMyRequestResponse> { return this.send('POST', url, options) }

  /** What `GET /` tells of its session. */
  async session (): Promise<{ id: string, userId: string | null, values: Record<string, unknown>, isNew: boolean }> {
    return (await this.get('/')).json()
  }
}

/** A promise and the hand that opens it. */
export interface Gate {
  readonly opened: Promise<void>
  open (): void
}

export function gate (): Gate {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

/** Turns of the event loop until a condition holds. Rejects after 5 s. */
export async function until (condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 5_000
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

/** A cookie value that verifies under the tests' key. */
export const signed = (credential: { id: string, secret: Buffer, issuedAt: number, browserSession?: boolean, defaultLife?: boolean }, name = NAME, key = KEY): string =>
  createCookieCodec({ cookieName: name, keys: [key], sealer: undefined }).encode({ browserSession: false, defaultLife: true, ...credential })

/** Collects log lines, as text. */
export class LogLines extends Writable {
  readonly lines: string[] = []
  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(chunk.toString())
    done()
  }

  /** The lines whose message is this, parsed. */
  withMessage (message: RegExp): Record<string, unknown>[] {
    return this.lines.map((line): Record<string, unknown> => JSON.parse(line)).filter(({ msg }) => typeof msg === 'string' && message.test(msg))
  }
}

/** What stands behind `request.session`. */
export const inner = (session: object): RequestSession => session as RequestSession
