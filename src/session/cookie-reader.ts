import { FifoMap } from 'toad-cache'
import { readCookies } from './cookie.js'
import type { CookieCodec, VerifiedCookie } from './cookie.js'

/** Most cookies that are remembered: some 5 MB. */
const REMEMBERED = 10_000
/** After this one is verified anew: a seal is worth its time alone. */
const REMEMBERED_MS = 60 * 60 * 1000
/**
 * Some 70 bits of the signature, or of what seals it: two that end alike are verified each time. V8 copies what is shorter than
 * 13 characters; a longer part would be a view of the text it comes from.
 */
const END_CHARS = 12

/** A cookie that was verified. */
interface Remembered {
  readonly value: string
  readonly cookie: VerifiedCookie
}

/**
 * Finds the session cookie of a request.
 *
 * Cookies that were verified once are remembered under their exact value: the same value verifies again, for the keys stay as
 * they are. That a seal has expired shows within the hour. It says nothing of the session, whose row is looked up each time. They are found by their end, as access tokens are.
 */
export class CookieReader {
  readonly #name: string
  readonly #codec: CookieCodec
  readonly #remembered = new FifoMap<Remembered>(REMEMBERED, REMEMBERED_MS)

  constructor (name: string, codec: CookieCodec) {
    this.#name = name
    this.#codec = codec
  }

  /**
   * The one cookie of our name that verifies, or why none is taken; `null`: there is none of our name. Where two verify
   * neither is taken: their order means nothing (RFC 6265bis section 4.2.2).
   */
  read (header: string | undefined): VerifiedCookie | 'forged' | 'duplicate' | null {
    const values = readCookies(header, this.#name)
    const [value] = values
    if (value === undefined) return null
    if (values.length === 1) return this.#verify(value) ?? 'forged'
    const [only, ...more] = [...new Set(values)].map((value) => this.#verify(value)).filter((cookie) => cookie !== null)
    return more.length > 0 ? 'duplicate' : only ?? 'forged'
  }

  #verify (value: string): VerifiedCookie | null {
    const known = this.#remembered.get(value.slice(-END_CHARS))
    if (known?.value === value) return known.cookie
    const cookie = this.#codec.decode(value)
    if (cookie !== null) this.#remember(copyOf(value), cookie)
    return cookie
  }

  #remember (value: string, cookie: VerifiedCookie): void {
    this.#remembered.set(value.slice(-END_CHARS), { value, cookie })
  }
}

/** A text of its own: a part of the header would keep all of it in memory. */
const copyOf = (value: string): string => Buffer.from(value, 'latin1').toString('latin1')
