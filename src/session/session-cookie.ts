import type { Credential } from '../core/credential.js'
import { rejectUnknown, seconds } from '../core/options.js'
import { LONGEST_MAX_AGE, overrideCookieAttributes } from './options.js'
import type { ResolvedCookieAttributes, ResolvedManagerOptions } from './options.js'
import type { SessionRow } from './row.js'
import type { SessionCookieOptions } from './session.js'

/** Options that other plugins hand to `session.options` and that mean nothing to a session cookie. */
const IGNORED = ['userInfo', 'signed', 'encode', 'expires', 'priority'] as const

type CookieRules = Pick<ResolvedManagerOptions, 'cookie' | 'cookieName' | 'trustedOrigins'>

/** A cookie to send: with `credential` null, to clear. */
export interface CookieToSend {
  readonly credential: Credential | null
  readonly attributes: ResolvedCookieAttributes
  /** Seconds for `Max-Age`; `undefined`: it ends with the browser. */
  readonly maxAge: number | undefined
}

/** Decides what the answer does to the session cookie. */
export class SessionCookie {
  readonly #row: SessionRow
  readonly #rules: CookieRules
  readonly #presented: { readonly issuedAt: number, readonly renew: boolean } | null
  #attributes: ResolvedCookieAttributes
  /** What this request has said about it; `null`: nothing. */
  #chosen: boolean | null = null
  #duty: 'set' | 'clear' | null = null
  #isHeld = false

  /** @param presented what is known of the cookie that came and verified; `null`: none did */
  constructor (row: SessionRow, rules: CookieRules, presented: { credential: Credential, renew: boolean } | null) {
    this.#row = row
    this.#rules = rules
    this.#attributes = rules.cookie
    this.#presented = presented && { issuedAt: presented.credential.issuedAt, renew: presented.renew }
  }

  /** Takes over attributes for this answer; resolves a `maxAge` to what the row's shall become. @throws TypeError; nothing is taken over */
  configure (given: SessionCookieOptions): void {
    rejectUnknown('session.options', given, ['maxAge', 'path', 'domain', 'secure', 'httpOnly', 'sameSite', ...IGNORED])
    const attributes = overrideCookieAttributes(given, { ...this.#rules, cookie: this.#attributes })
    const maxAge = given.maxAge == null ? given.maxAge : seconds('maxAge', given.maxAge, { min: 1, max: LONGEST_MAX_AGE })
    this.#attributes = attributes
    if (maxAge !== undefined) {
      this.#row.maxAge = maxAge
      this.#chosen = maxAge === null
    }
    if (this.#duty !== 'clear') this.#duty = 'set'
  }

  /** Sends no cookie with this answer, which would not reach the browser: a proxy asks for it. */
  hold (): void {
    this.#isHeld = true
  }

  /** Has the cookie cleared, if the browser has one. */
  clear (): void {
    if (this.#presented !== null || this.#row.isReissued) this.#duty = 'clear'
  }

  /** Whether the cookie of a stored session is to be sent again: it is old, or the answer has options for it. */
  get isDue (): boolean {
    const { record } = this.#row
    return record !== null && !this.#isHeld && !this.#row.isReissued && (this.#duty === 'set' || this.#isStale(record.readAt))
  }

  /** What is to be sent with the answer; `null`: nothing. Asked when all writes are done. */
  toSend (): CookieToSend | null {
    const attributes = this.#attributes
    const { record, credential } = this.#row
    if (record === null || credential === null) {
      return this.#duty === 'clear' ? { credential: null, attributes, maxAge: 0 } : null
    }
    if (!this.#row.isReissued && !this.isDue) return null
    const untilEnd = (record.absoluteExpiresAt.getTime() - record.readAt.getTime()) / 1000
    return {
      credential: { ...credential, issuedAt: record.readAt.getTime(), browserSession: this.#isBrowserSession, defaultLife: this.#row.hasDefaultLife },
      attributes,
      maxAge: this.#isBrowserSession ? undefined : Math.max(1, Math.ceil(Math.min(this.#row.cookieSeconds, untilEnd)))
    }
  }

  get #isBrowserSession (): boolean { return this.#chosen ?? this.#row.credential?.browserSession ?? false }

  /** Made by an older key, or more than a tenth of the cookie's life ago. */
  #isStale (now: Date): boolean {
    if (this.#presented === null) return false
    return this.#presented.renew || now.getTime() - this.#presented.issuedAt > this.#row.cookieSeconds * 1000 / 10
  }
}
