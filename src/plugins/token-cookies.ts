import { readCookies } from '../session/cookie.js'
import { forbidCaching } from '../session/http.js'
import type { ReplyLike, RequestLike, SetCookieOptions } from '../session/http.js'
import { TokenConflictError } from '../tokens/errors.js'
import type { TokenPair } from '../tokens/tokens.js'

type Asked = Pick<RequestLike, 'headers'>

/**
 * The cookies that carry tokens: `__Host-at`, SameSite Lax, and `__Host-rt`, SameSite Strict; `at` and `rt` where secure is
 * off. HttpOnly, for the answering host alone, and as long-lived as what they carry (RFC 6265bis section 4.1.3.2).
 */
export class TokenCookies {
  readonly accessName: string
  readonly refreshName: string
  readonly #secure: boolean

  constructor (secure: boolean) {
    this.#secure = secure
    this.accessName = secure ? '__Host-at' : 'at'
    this.refreshName = secure ? '__Host-rt' : 'rt'
  }

  /** The access token of a request's cookie; `null`: none, or several that differ, whose order means nothing (6265bis section 4.2.2). */
  access ({ headers }: Asked): string | null {
    const [only = null, ...others] = this.accesses({ headers })
    return others.length === 0 ? only : null
  }

  /** The refresh token of a request's cookie; `null`: none. @throws TokenConflictError for several that differ */
  refresh ({ headers }: Asked): string | null {
    const [only = null, ...others] = this.refreshes({ headers })
    if (others.length > 0) throw new TokenConflictError('the request carries two refresh cookies that differ')
    return only
  }

  /** All that differ of the access tokens in a request's cookies. */
  accesses ({ headers }: Asked): readonly string[] {
    return distinct(headers.cookie, this.accessName)
  }

  /** All that differ of the refresh tokens in a request's cookies. */
  refreshes ({ headers }: Asked): readonly string[] {
    return distinct(headers.cookie, this.refreshName)
  }

  /** Sends the access token of a pair: for a second at least, for no answer with tokens deletes a cookie. */
  setAccess (reply: ReplyLike, { accessToken, expiresIn }: TokenPair): void {
    this.#set(reply, this.accessName, accessToken, 'lax', Math.max(1, expiresIn))
  }

  /** Sends the refresh token of a pair, if it has one. */
  setRefresh (reply: ReplyLike, { refreshToken, refreshTokenExpiresAt, accessTokenExpiresAt, expiresIn }: TokenPair): void {
    if (refreshToken === undefined) return
    // by the store's clock, on which the pair was made
    const now = accessTokenExpiresAt.getTime() - expiresIn * 1000
    this.#set(reply, this.refreshName, refreshToken, 'strict', Math.max(1, Math.ceil((refreshTokenExpiresAt.getTime() - now) / 1000)))
  }

  /** Has the browser drop those that it sent. */
  clear ({ headers }: Asked, reply: ReplyLike): void {
    if (readCookies(headers.cookie, this.accessName).length > 0) this.#set(reply, this.accessName, '', 'lax', 0)
    if (readCookies(headers.cookie, this.refreshName).length > 0) this.#set(reply, this.refreshName, '', 'strict', 0)
  }

  #set (reply: ReplyLike, name: string, value: string, sameSite: 'lax' | 'strict', maxAge: number): void {
    const options: SetCookieOptions = {
      path: '/',
      domain: undefined,
      secure: this.#secure,
      httpOnly: true,
      sameSite,
      maxAge,
      expires: maxAge === 0 ? new Date(0) : undefined,
      signed: false,
      partitioned: false,
      priority: undefined,
      encode: (text) => text
    }
    reply.setCookie(name, value, options)
    forbidCaching(reply)
  }
}

const NONE: readonly string[] = Object.freeze([])

function distinct (header: string | undefined, name: string): readonly string[] {
  if (header === undefined) return NONE
  return [...new Set(readCookies(header, name))].filter((value) => value !== '')
}
