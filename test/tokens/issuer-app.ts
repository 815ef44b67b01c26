import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import { StoreError } from '../../src/core/errors.js'
import { SessionManager } from '../../src/session/session-manager.js'
import type { Claims } from '../../src/session/store.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import { TokenIssuer } from '../../src/tokens/issuer.js'
import { resolveTokensOptions, type TokensOptions } from '../../src/tokens/options.js'
import type { PresentedToken, RotationRules } from '../../src/tokens/rotation.js'
import type { RevocationSink } from '../../src/tokens/revocations.js'
import type { AccessFacts, LineageRules, NewLineage, RevocationWatch, TokenStore } from '../../src/tokens/store.js'
import type { IssueOptions, TokenPair } from '../../src/tokens/tokens.js'
import { standingClock, type Clock } from '../helpers/memory-harness.js'
import { Browser, openApp } from '../helpers/session-app.js'

type Method = Exclude<keyof TokenStore, 'watchRevocations' | 'now' | 'close'>

/** Passes everything on to a store; counts the calls, and lets a test break them, or the feed. */
export class ProbedTokenStore implements TokenStore {
  readonly calls: Method[] = []
  before: (method: Method) => unknown = () => {}
  closed = 0
  sink: RevocationSink | null = null
  /** The feed tells nothing any more. */
  isFeedDown = false
  /** Sessions of which something has been announced and not been told yet. */
  readonly unread = new Set<string>()
  readonly #inner: TokenStore
  constructor (inner: TokenStore) { this.#inner = inner }

  createRefreshToken (lineage: NewLineage) { return this.#call('createRefreshToken', () => this.#inner.createRefreshToken(lineage)) }
  rotateRefreshToken (token: PresentedToken, rules: LineageRules) { return this.#call('rotateRefreshToken', () => this.#inner.rotateRefreshToken(token, rules)) }
  revokeRefreshToken (id: string, reason: string) { return this.#call('revokeRefreshToken', () => this.#inner.revokeRefreshToken(id, reason)) }
  getUserFromRefreshToken (token: PresentedToken, rules: RotationRules) { return this.#call('getUserFromRefreshToken', () => this.#inner.getUserFromRefreshToken(token, rules)) }
  confirmRefreshToken (id: string, generation: number) { return this.#call('confirmRefreshToken', () => this.#inner.confirmRefreshToken(id, generation)) }
  isAccessValid (access: AccessFacts) { return this.#call('isAccessValid', () => this.#inner.isAccessValid(access)) }
  now () { return this.#inner.now() }
  watchRevocations (sink: RevocationSink): RevocationWatch {
    this.sink = sink
    const watch = this.#inner.watchRevocations({
      reset: (inForce) => { sink.reset(inForce) },
      add: (revocation) => { if (!this.isFeedDown) sink.add(revocation) },
      lift: (id) => { if (!this.isFeedDown) sink.lift(id) },
      broken: () => { sink.broken() }
    })
    return { isUnread: (id) => this.unread.has(id), close: () => watch.close() }
  }

  async close () { this.closed++; await this.#inner.close() }

  /** Every call of the method fails from now on, before it does anything. */
  break (method: Method): void {
    this.before = (called) => { if (called === method) throw new StoreError(method) }
  }

  mend (): void { this.before = () => {} }
  takeCalls (): Method[] { return this.calls.splice(0) }

  async #call<T> (method: Method, work: () => Promise<T>): Promise<T> {
    this.calls.push(method)
    await this.before(method)
    return await work()
  }
}

export interface IssuerApp {
  readonly app: FastifyInstance
  readonly manager: SessionManager
  readonly issuer: TokenIssuer
  readonly store: ProbedTokenStore
  readonly sessions: MemoryStore
  readonly clock: Clock
  /** A browser that has signed in, and its first pair. */
  signIn (user?: string, options?: IssueOptions & { claims?: Claims }): Promise<{ browser: Browser, pair: TokenPair }>
  /** Another process with the same stores. */
  sibling (options?: Partial<TokensOptions>): Promise<IssuerApp>
}

interface Teardown { teardown (close: () => unknown): void }

export const REFRESH_KEY = randomBytes(32)
const SIGNING_KEY = generateKeyPairSync('ed25519').privateKey

/** An application with sessions and an issuer over memory stores, whose clock moves only when told. */
export async function openIssuer (t: Teardown, { options, server, shared }: {
  options?: Partial<TokensOptions>
  server?: FastifyServerOptions
  shared?: { clock: Clock, sessions: MemoryStore }
} = {}): Promise<IssuerApp> {
  const clock = shared?.clock ?? standingClock()
  const sessions = shared?.sessions ?? new MemoryStore({ clock: clock.now })
  const store = new ProbedTokenStore(new MemoryTokenStore({ store: sessions }))
  let issuer: TokenIssuer | null = null
  const tokensOf = (): TokenIssuer => issuer ?? (() => { throw new Error('not yet') })()
  const { app } = await openApp(t, {
    options: { store: sessions },
    ...(server !== undefined && { server }),
    routes: (app) => {
      app.post('/issue/:user', async (request) => {
        const { user } = request.params as { user: string }
        const { claims = {}, ...rest } = request.body as IssueOptions & { claims?: Claims }
        request.session.setUserId(user, claims)
        return plain(await tokensOf().issue(request, rest))
      })
      app.post('/again', async (request) => plain(await tokensOf().issue(request)))
      app.post('/refresh', async (request) => plain(await tokensOf().refresh(tokenIn(request), request)))
      app.post('/inspect', async (request) => await tokensOf().inspect(tokenIn(request), request))
      app.post('/off', { config: { session: false } }, async (request) => plain(await tokensOf().issue(request)))
    }
  })
  const manager: unknown = app.sessions
  if (!(manager instanceof SessionManager)) throw new Error('the plugin drives a SessionManager')
  issuer = new TokenIssuer({
    manager,
    options: resolveTokensOptions({ store, issuer: 'https://id.example', audience: 'api', signingKeys: SIGNING_KEY, refreshKey: REFRESH_KEY, ...options }),
    accessUserOf: async ({ headers: { authorization } }) => {
      if (authorization === undefined) return null
      return await tokensOf().verify(authorization.slice('Bearer '.length)).then(({ userId }) => userId, () => null)
    }
  })
  t.teardown(() => tokensOf().close())
  return {
    app,
    manager,
    issuer,
    store,
    sessions,
    clock,
    async signIn (user = 'ada', options = {}) {
      const browser = new Browser(app)
      const answer = await browser.post(`/issue/${user}`, { payload: options })
      if (answer.statusCode !== 200) throw new Error(answer.body)
      return { browser, pair: revived(answer.json()) }
    },
    sibling: async (more) => await openIssuer(t, { shared: { clock, sessions }, options: { ...options, ...more } })
  }
}

const plain = (pair: TokenPair): object => ({ ...pair })
const tokenIn = (request: FastifyRequest): string => (request.body as { token: string }).token

/** A pair as it came over the wire. */
function revived (body: TokenPair): TokenPair {
  return { ...body, accessTokenExpiresAt: new Date(body.accessTokenExpiresAt), refreshTokenExpiresAt: new Date(body.refreshTokenExpiresAt) }
}

/** Collects what one issuer tells on the channels of tokens. */
export function listen (t: Teardown, source: object): Record<string, unknown>[] {
  const told: Record<string, unknown>[] = []
  const note = (message: unknown): void => {
    const facts = message as { source: object } // not enumerable
    if (facts.source === source) told.push({ ...facts })
  }
  for (const name of ['tokenIssued', 'tokenRefreshed', 'tokenReused', 'tokenAhead', 'tokenMismatch', 'tokenRevoked']) {
    subscribe(`silverback:${name}`, note)
    t.teardown(() => { unsubscribe(`silverback:${name}`, note) })
  }
  return told
}
