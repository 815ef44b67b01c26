import { isUnsafe, rejectCrossSite } from '../session/cross-site.js'
import type { RequestLike } from '../session/http.js'
import type { SessionManager } from '../session/session-manager.js'
import { rejectTwoUsers } from '../tokens/conflict.js'
import { UnauthenticatedError } from '../tokens/errors.js'
import type { AccessToken, Tokens } from '../tokens/tokens.js'
import { bearerIn, readBearer } from './bearer.js'
import type { TokenCookies } from './token-cookies.js'
import { rejectTokenInUrl } from './token-url.js'

/** What of access tokens a request carries. */
export interface Access {
  /** The one that holds; `null`: none does. */
  readonly token: AccessToken | null
  /** How it came; `null`: there was none. */
  readonly by: 'header' | 'cookie' | null
}

/** What is asked of a request. */
type Asked = RequestLike & { readonly url: string }

/** The property of a request that holds what was found: a property, not a WeakMap, as with sessions. */
export const ACCESS = Symbol('silverback.access')
interface Seen { [ACCESS]?: Access | null }

const NONE: Access = Object.freeze({ token: null, by: null })

/** Finds the access token of a request, and verifies it once. */
export class AccessReader {
  readonly #tokens: Tokens
  readonly #manager: SessionManager
  readonly #cookies: TokenCookies

  constructor (tokens: Tokens, manager: SessionManager, cookies: TokenCookies) {
    this.#tokens = tokens
    this.#manager = manager
    this.#cookies = cookies
  }

  /**
   * Without a promise for a token that was verified before, while the feed of revocations is whole. An access token of the
   * header that does not hold refuses the request; one of the cookie is as if it were not there. Tells, without waiting,
   * that the token has arrived.
   *
   * @throws TokenInUrlError, UnauthenticatedError; TokenConflictError for credentials of two users; CrossSiteError for an
   * unsafe request from another site with a token cookie, whatever else it carries; StoreError
   */
  read (request: Asked): Access | Promise<Access> {
    const seen = foundAccess(request)
    if (seen !== null) return seen
    rejectTokenInUrl(request.url)
    rejectOtherSites(request, this.#manager, this.#cookies)
    const bearer = readBearer(request.headers.authorization)
    const cookie = this.#cookies.access(request)
    if (bearer !== null) {
      return andThen(this.#verify(bearer), (token) => {
        if (token === null) throw new UnauthenticatedError(true)
        if (cookie === null || cookie === bearer) return this.#keep(request, token, 'header')
        return andThen(this.#verify(cookie), (other) => {
          rejectTwoUsers(token.userId, other?.userId ?? null)
          return this.#keep(request, token, 'header')
        })
      })
    }
    if (cookie === null) return NONE
    return andThen(this.#verify(cookie), (token) => this.#keep(request, token, 'cookie'))
  }

  /**
   * The user of the access tokens that hold, for a request that is about something else: those that do not are as if they
   * were not there. `null`: none does. @throws TokenConflictError, StoreError
   */
  async userOf (request: Pick<RequestLike, 'headers'>): Promise<string | null> {
    let userId: string | null = null
    for (const text of [bearerIn(request.headers.authorization), this.#cookies.access(request)]) {
      if (text === null) continue
      const token = await this.#verify(text)
      if (token === null) continue
      rejectTwoUsers(token.userId, userId)
      userId = token.userId
    }
    return userId
  }

  /** `null`: the token does not hold. */
  #verify (text: string): AccessToken | null | Promise<AccessToken | null> {
    try {
      return this.#tokens.verifyKnown(text) ?? this.#tokens.verify(text).catch(nothingFrom)
    } catch (error) {
      return nothingFrom(error)
    }
  }

  #keep (request: Asked, token: AccessToken | null, by: 'header' | 'cookie'): Access {
    if (token !== null) {
      rejectTwoUsers(token.userId, this.#manager.opened(request)?.userId ?? null)
      this.#tokens.seen(token)
    }
    return keepAccess(request, { token, by })
  }
}

/**
 * The cross-site rule for a request with a cookie that carries a token, whatever credentials it has besides: for the
 * session cookie its manager does the same.
 *
 * @throws CrossSiteError
 */
export function rejectOtherSites (request: RequestLike, { options: { trustedOrigins } }: SessionManager, cookies: TokenCookies): void {
  if (trustedOrigins === null || !isUnsafe(request.method)) return
  if (cookies.accesses(request).length > 0 || cookies.refreshes(request).length > 0) rejectCrossSite(request, trustedOrigins)
}

/** What a guard has found in a request; `null`: none has looked, or there was nothing. */
function foundAccess (request: object): Access | null {
  const { [ACCESS]: found = null }: Seen = request
  return found
}

function keepAccess (request: object, access: Access): Access {
  const target: Seen = request
  target[ACCESS] = access
  return access
}

/** Goes on at once where there is nothing to wait for. */
export function andThen<T, R> (value: T | Promise<T>, work: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(work) : work(value)
}

function nothingFrom (error: unknown): null {
  if (error instanceof UnauthenticatedError) return null
  throw error
}
