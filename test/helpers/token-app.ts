import { generateKeyPairSync, randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { authRoutes } from '../../src/plugins/auth-routes.js'
import type { AuthRoutesOptions } from '../../src/plugins/auth/options.js'
import { sessions, type SessionsOptions } from '../../src/plugins/sessions.js'
import { tokens } from '../../src/plugins/tokens.js'
import { StoreError } from '../../src/core/errors.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import type { TokensOptions } from '../../src/tokens/options.js'
import type { RevocationSink } from '../../src/tokens/revocations.js'
import type { AccessFacts, LineageRules, NewLineage, RevocationWatch, TokenStore } from '../../src/tokens/store.js'
import type { PresentedToken, RotationRules } from '../../src/tokens/rotation.js'
import { standingClock, type Clock } from './memory-harness.js'
import { KEY } from './session-app.js'
import { ProbedStore } from './session-store.js'

/** A key that signs access tokens in the tests. */
export const SIGNING_KEY = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const REFRESH_KEY = randomBytes(32)

type TokenMethod = Exclude<keyof TokenStore, 'close' | 'now' | 'watchRevocations'>

/** Passes everything on to a token store; counts the calls, and fails on demand. */
export class ProbedTokenStore implements TokenStore {
  readonly calls: TokenMethod[] = []
  /** Runs before each call; fails with what it throws. */
  before: (method: TokenMethod) => unknown = () => {}
  readonly #store: TokenStore

  constructor (store: TokenStore) {
    this.#store = store
  }

  break (): void {
    this.before = (method) => { throw new StoreError(method, new Error('the disk is on fire')) }
  }

  mend (): void {
    this.before = () => {}
  }

  /** The calls since the last time this was asked. */
  takeCalls (): TokenMethod[] {
    return this.calls.splice(0)
  }

  async createRefreshToken (lineage: NewLineage) { return await this.#pass('createRefreshToken', () => this.#store.createRefreshToken(lineage)) }
  async rotateRefreshToken (token: PresentedToken, rules: LineageRules) { return await this.#pass('rotateRefreshToken', () => this.#store.rotateRefreshToken(token, rules)) }
  async revokeRefreshToken (sessionId: string, reason: string) { return await this.#pass('revokeRefreshToken', () => this.#store.revokeRefreshToken(sessionId, reason)) }
  async getUserFromRefreshToken (token: PresentedToken, rules: RotationRules) { return await this.#pass('getUserFromRefreshToken', () => this.#store.getUserFromRefreshToken(token, rules)) }
  async confirmRefreshToken (sessionId: string, generation: number) { return await this.#pass('confirmRefreshToken', () => this.#store.confirmRefreshToken(sessionId, generation)) }
  async isAccessValid (access: AccessFacts) { return await this.#pass('isAccessValid', () => this.#store.isAccessValid(access)) }
  watchRevocations (sink: RevocationSink): RevocationWatch { return this.#store.watchRevocations(sink) }
  now (): number { return this.#store.now() }
  async close (): Promise<void> { await this.#store.close() }

  async #pass<T> (method: TokenMethod, call: () => Promise<T>): Promise<T> {
    this.calls.push(method)
    await this.before(method)
    return await call()
  }
}

export interface TokenApp {
  readonly app: FastifyInstance
  readonly store: ProbedStore
  readonly tokenStore: ProbedTokenStore
  readonly clock: Clock
  /** Every call of both stores since the last time this was asked. */
  takeCalls (): string[]
}

export interface TokenAppSetup {
  readonly sessions?: Partial<SessionsOptions>
  readonly tokens?: Partial<TokensOptions>
  readonly auth?: Partial<AuthRoutesOptions>
  readonly prefix?: string
  readonly server?: FastifyServerOptions
  readonly before?: (app: FastifyInstance) => unknown
  /** Adds routes, after the plugins are registered. */
  readonly routes?: (app: FastifyInstance) => unknown
}

/** The password of every user of the tests. */
export const PASSWORD = 'correct horse battery'

/** Users of the tests: whoever has an address at example.com. Those who begin with "root" are administrators. */
const authenticate: AuthRoutesOptions['authenticate'] = async ({ email, password }) => {
  const [id = '', host] = email.split('@')
  if (host !== 'example.com' || password !== PASSWORD) return null
  return { id, claims: { isAdmin: id.startsWith('root'), roles: id.startsWith('ed') ? ['editor'] : [] } }
}

/** An application with sessions, tokens and the auth routes under `/auth`, in memory, on a clock that moves only when told. */
export async function openTokenApp (t: { teardown (close: () => unknown): void }, setup: TokenAppSetup = {}): Promise<TokenApp> {
  const clock = standingClock()
  const memory = new MemoryStore({ clock: () => clock.now() })
  const store = new ProbedStore(memory)
  const tokenStore = new ProbedTokenStore(new MemoryTokenStore({ store: memory }))
  const app = Fastify({ ajv: { customOptions: { removeAdditional: false, coerceTypes: false } }, ...setup.server })
  t.teardown(() => app.close())
  await setup.before?.(app)
  await app.register(sessions, { store, authKey: KEY, cleanupInterval: 0, ...setup.sessions })
  await app.register(tokens, { store: tokenStore, issuer: 'https://id.example.com', audience: 'api', signingKeys: SIGNING_KEY, refreshKey: REFRESH_KEY, ...setup.tokens })
  await app.register(authRoutes, { prefix: setup.prefix ?? '/auth', authenticate, ...setup.auth })
  await setup.routes?.(app)
  await app.ready()
  return { app, store, tokenStore, clock, takeCalls: () => [...store.takeCalls(), ...tokenStore.takeCalls()] }
}

/** What a sign-in answers, as far as tests look at it. */
export interface SignInAnswer {
  readonly user: { readonly id: string, readonly isAdmin: boolean }
  readonly session: { readonly id: string, readonly current: boolean }
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
}

/** Signs in with nothing but the body; resolves to the tokens and the session cookie, as a `Cookie` header. */
export async function signIn (app: FastifyInstance, user: string, prefix = '/auth'): Promise<SignInAnswer & { readonly cookie: string }> {
  const answer = await app.inject({ method: 'POST', url: `${prefix}/login`, payload: { email: `${user}@example.com`, password: PASSWORD } })
  if (answer.statusCode !== 200) throw new Error(`the sign-in of a test failed: ${answer.body}`)
  return { ...answer.json<SignInAnswer>(), cookie: answer.cookies.map(({ name, value }) => `${name}=${value}`).join('; ') }
}

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })
