import { equalHashes, hashSecret, newSecret } from '../core/credential.js'
import { SessionGoneError, StoreError } from '../core/errors.js'
import { isUuid } from '../core/uuid.js'
import type { RequestLike } from '../session/http.js'
import type { SessionManager } from '../session/session-manager.js'
import type { SessionRecord } from '../session/store.js'
import { AccessTokens } from './access-token.js'
import { Confirmations } from './confirmations.js'
import { rejectTwoUsers } from './conflict.js'
import { NotSignedInError, TokenRefusedError, UnauthenticatedError } from './errors.js'
import { publishToken } from './events.js'
import { FeedNews } from './feed-news.js'
import type { ResolvedTokensOptions } from './options.js'
import { RefreshTokenCodec } from './refresh-token.js'
import type { GenuineRefreshToken } from './refresh-token.js'
import { REFUSAL_CODES } from './refusal.js'
import { RevocationSet } from './revocation-set.js'
import type { PresentedToken, RotationCase } from './rotation.js'
import type { LineageFacts, RevocationWatch, TokenStore } from './store.js'
import type { AccessToken, IssueOptions, JsonWebKeySet, RefreshInfo, RefreshOptions, TokenPair, Tokens } from './tokens.js'

export interface TokenIssuerParts {
  readonly manager: SessionManager
  readonly options: ResolvedTokensOptions
  /** The user of the valid access token that a request carries; `null`: it carries none. The plugin knows where one may stand. Default: none is looked for. */
  readonly accessUserOf?: (request: RequestLike) => Promise<string | null>
}

/** How the tokens of one process do. */
export interface TokenMeasures {
  /** Of access tokens that were remembered from before; and of those that had to be verified. */
  readonly cache: { readonly hits: number, readonly misses: number }
  /** Whether every revocation is known here; while not, the store is asked. */
  readonly isFeedWhole: boolean
  /** Seconds since the feed of revocations was last shown to be whole. */
  readonly feedLag: number
  /** What is wrong with the feed, for people, without secrets; `null`: nothing, or it has only begun. */
  readonly feedFault: string | null
}

/** How often a session that has a lineage is given another id: another request may begin one in between. */
const MOST_NEW_IDS = 3

/** The tokens of one manager's sessions. Starts the watch of revocations; `close` ends it. */
export class TokenIssuer implements Tokens {
  readonly options: Omit<ResolvedTokensOptions, 'signingKeys' | 'refreshKeys'>
  readonly #manager: SessionManager
  readonly #store: TokenStore
  readonly #accessUserOf: (request: RequestLike) => Promise<string | null>
  readonly #refreshTokens: RefreshTokenCodec
  readonly #accessTokens: AccessTokens
  readonly #keySet: JsonWebKeySet
  readonly #revocations: RevocationSet
  readonly #confirmations: Confirmations
  readonly #feedNews: FeedNews
  readonly #watch: RevocationWatch
  readonly #listening: readonly (() => void)[]

  constructor ({ manager, options: { signingKeys, refreshKeys, ...options }, accessUserOf = async () => null }: TokenIssuerParts) {
    const { store } = options
    this.options = Object.freeze(options)
    this.#manager = manager
    this.#store = store
    this.#accessUserOf = accessUserOf
    this.#refreshTokens = new RefreshTokenCodec(refreshKeys)
    this.#accessTokens = new AccessTokens({ ...options, keys: signingKeys, lifeSeconds: options.accessTokenTtl })
    this.#keySet = signingKeys.keySet
    this.#confirmations = new Confirmations(store, manager.options.log)
    this.#feedNews = new FeedNews(manager.options.log)
    this.#revocations = new RevocationSet({
      now: () => store.now(),
      onRevoked: (sessionId, kind) => { manager.noteRevoked(sessionId, kind) },
      onReset: () => {
        this.#confirmations.forgetAll()
        this.#feedNews.whole()
      },
      onBroken: (cause, advice) => { this.#feedNews.broken(cause, advice) }
    })
    this.#listening = this.#listen()
    this.#watch = store.watchRevocations(this.#revocations)
  }

  async issue (request: RequestLike, options: IssueOptions = {}): Promise<TokenPair> {
    const session = this.#manager.opened(request)
    if (session === null || session.userId === null) throw new NotSignedInError()
    if (!session.isSaved()) await session.save()
    const secret = newSecret()
    const record = await this.#begin(request, session, secret)
    this.#manager.adoptLineage(request, record)
    const { id: sessionId, userId } = record
    if (userId === null) throw new NotSignedInError()
    publishToken(this, 'tokenIssued', { sessionId, userId, clientIp: request.ip })
    return await this.#pair(firstFacts(record, userId, hashSecret(secret)), { generation: 1, secret }, options)
  }

  async refresh (refreshToken: string, request?: RequestLike, options: RefreshOptions = {}): Promise<TokenPair> {
    const token = this.#refreshTokens.decode(refreshToken)
    const clientIp = request?.ip ?? null
    if (token === null) {
      publishToken(this, 'tokenRefreshed', { sessionId: null, generation: null, outcome: 'FORGED', clientIp })
      throw new TokenRefusedError('ERR_TOKEN_INVALID')
    }
    const { found, facts } = await this.#store.rotateRefreshToken(await this.#presented(token, request), this.options)
    this.#tell(found, token, clientIp)
    if (facts === null) throw new TokenRefusedError(REFUSAL_CODES[found])
    const successor = found === 'ROTATE' || found === 'REPLAY' ? token.successors.find(({ hash }) => equalHashes(hash, facts.tokenHash)) : undefined
    const next = successor === undefined ? null : { generation: facts.generation, secret: successor.secret }
    const pair = await this.#pair(facts, next, options)
    return found === 'STRAGGLER' ? { ...pair, superseded: true } : pair
  }

  async revoke (refreshToken: string): Promise<boolean> {
    const token = this.#refreshTokens.decode(refreshToken)
    return token !== null && await this.end(token.sessionId, 'revoked')
  }

  async confirm (sessionId: string, generation: number): Promise<void> {
    if (!isUuid(sessionId) || !Number.isSafeInteger(generation)) throw new TypeError('confirm: a session id and a generation are required: "sid" and "gen" of an access token')
    await this.#confirmations.confirm(sessionId, generation)
  }

  // – for guards, routes and other plugins –

  async verify (accessToken: string): Promise<AccessToken> {
    const access = await this.#accessTokens.verify(accessToken, this.#store.now())
    if (access === null || await this.#isRevoked(access)) throw new UnauthenticatedError(true)
    return access
  }

  verifyKnown (accessToken: string): AccessToken | null {
    if (!this.#revocations.isWhole) return null
    const access = this.#accessTokens.known(accessToken, this.#store.now())
    if (access === null || this.#watch.isUnread?.(access.sessionId) === true) return null
    if (this.#revocations.isRevoked(access.sessionId, access.issuedAt)) throw new UnauthenticatedError(true)
    return access
  }

  seen ({ sessionId, generation, confirms }: AccessToken): void {
    if (confirms) this.#confirmations.seen(sessionId, generation)
  }

  async inspect (refreshToken: string, request?: RequestLike): Promise<RefreshInfo> {
    const token = this.#refreshTokens.decode(refreshToken)
    if (token === null) throw new TokenRefusedError('ERR_TOKEN_INVALID')
    const { found, facts } = await this.#store.getUserFromRefreshToken(await this.#presented(token, request), this.options)
    if (facts === null) throw new TokenRefusedError(REFUSAL_CODES[found])
    return { sessionId: token.sessionId, userId: facts.userId, generation: token.generation }
  }

  sessionIdOf (refreshToken: string): string | null {
    return this.#refreshTokens.decode(refreshToken)?.sessionId ?? null
  }

  async sessionIdOfAccess (accessToken: string): Promise<string | null> {
    return (await this.#accessTokens.verify(accessToken, this.#store.now()))?.sessionId ?? null
  }

  async end (sessionId: string, reason: string): Promise<boolean> {
    if (!isUuid(sessionId)) return false
    const hasEnded = await this.#store.revokeRefreshToken(sessionId, reason)
    if (hasEnded) {
      this.#manager.endedByTokens(sessionId, reason)
      publishToken(this, 'tokenRevoked', { sessionId, reason })
    }
    return hasEnded
  }

  keySet (): JsonWebKeySet {
    return this.#keySet
  }

  measures (): TokenMeasures {
    const now = performance.now()
    return { cache: this.#accessTokens.cache, isFeedWhole: this.#revocations.isWhole, feedLag: (now - (this.#watch.wholeAt ?? now)) / 1000, feedFault: this.#feedNews.fault }
  }

  async close (): Promise<void> {
    for (const end of this.#listening) end()
    this.#feedNews.close()
    await this.#watch.close()
    await this.#confirmations.settled()
    await this.#store.close()
  }

  /** What this process does to sessions itself counts at once, and not when the feed tells of it. */
  #listen (): readonly (() => void)[] {
    const ended = ({ sessionId }: { readonly sessionId: string }): void => { this.#revocations.note(sessionId, 'ended') }
    return [
      this.#manager.on('ended', ended),
      this.#manager.on('destroyed', ended),
      this.#manager.on('blocked', ({ sessionId }) => { this.#revocations.note(sessionId, 'blocked') }),
      this.#manager.on('regenerated', ({ sessionId, previousId }) => { if (sessionId !== previousId) ended({ sessionId: previousId }) })
    ]
  }

  async #begin (request: RequestLike, session: { readonly id: string, readonly userId: string | null }, secret: Buffer): Promise<SessionRecord> {
    const { refreshTtl: idleSeconds, refreshAbsoluteTtl: absoluteSeconds } = this.options
    for (let newIds = 0; newIds <= MOST_NEW_IDS; newIds++) {
      const { id: sessionId, userId } = session
      if (userId === null) throw new NotSignedInError()
      const record = await this.#store.createRefreshToken({ sessionId, userId, tokenHash: hashSecret(secret), idleSeconds, absoluteSeconds })
      if (record === null) throw new SessionGoneError()
      if (record !== 'taken') return record
      // generations of one session id never restart
      await this.#manager.replaceId(request)
    }
    throw new StoreError('createRefreshToken', new Error('the session was given a lineage by others again and again'))
  }

  async #presented ({ sessionId, generation, hash, successors: [first, ...others] }: GenuineRefreshToken, request: RequestLike | undefined): Promise<PresentedToken> {
    const requestUserId = request === undefined ? null : await this.#userOf(request)
    return { sessionId, generation, hash, successorHashes: [first.hash, ...others.map((other) => other.hash)], requestUserId }
  }

  /** Who else a request says it is from. */
  async #userOf (request: RequestLike): Promise<string | null> {
    const byCookie = this.#manager.opened(request)?.userId ?? null
    const byToken = await this.#accessUserOf(request)
    rejectTwoUsers(byCookie, byToken)
    return byCookie ?? byToken
  }

  async #isRevoked ({ sessionId, userId, issuedAt }: AccessToken): Promise<boolean> {
    if (this.#revocations.isWhole) {
      if (this.#revocations.isRevoked(sessionId, issuedAt)) return true
      if (this.#watch.isUnread?.(sessionId) !== true) return false
    }
    return !await this.#store.isAccessValid({ sessionId, userId, issuedAt })
  }

  #tell (found: RotationCase, { sessionId, generation }: GenuineRefreshToken, clientIp: string | null): void {
    publishToken(this, 'tokenRefreshed', { sessionId, generation, outcome: found, clientIp })
    const facts = { sessionId, generation, clientIp }
    if (found === 'ROTATE') this.#confirmations.forget(sessionId)
    else if (found === 'AHEAD') publishToken(this, 'tokenAhead', facts)
    else if (found === 'MISMATCH') publishToken(this, 'tokenMismatch', facts)
    else if (found === 'REUSE') {
      this.#revocations.note(sessionId, 'blocked')
      this.#manager.noteRevoked(sessionId, 'blocked')
      publishToken(this, 'tokenReused', facts)
    }
  }

  /** @param next the refresh token that the answer gives; `null`: the client keeps the one it has */
  async #pair (facts: LineageFacts, next: { readonly generation: number, readonly secret: Buffer } | null, { noEvidence = false, inline = false }: RefreshOptions): Promise<TokenPair> {
    const { sessionId, expiresAt, deliveredAt, at } = facts
    const access = await this.#accessTokens.sign(facts, { confirms: !noEvidence && !inline })
    const age = (at - deliveredAt) / 1000
    return {
      accessToken: access.text,
      expiresIn: access.lifeSeconds,
      accessTokenExpiresAt: new Date(access.expiresAt),
      ...(next !== null && { refreshToken: this.#refreshTokens.encode({ sessionId, ...next }) }),
      refreshTokenExpiresAt: new Date(expiresAt),
      sessionId,
      rotatesIn: Math.max(0, Math.ceil(this.options.minGenerationAge - age))
    }
  }
}

/** What the first access token says: the session as the lineage found it. */
function firstFacts (record: SessionRecord, userId: string, tokenHash: Uint8Array): LineageFacts {
  const at = record.readAt.getTime()
  return {
    sessionId: record.id,
    userId,
    claims: record.claims,
    authenticatedAt: record.authenticatedAt?.getTime() ?? null,
    expiresAt: record.expiresAt.getTime(),
    generation: 1,
    tokenHash,
    deliveredAt: at,
    at,
    issuedAt: at
  }
}
