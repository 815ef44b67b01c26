import { readCookies } from './cookie.js'
import type { CookieCodec, VerifiedCookie } from './cookie.js'

/** Finds the session cookie of a request. */
export class CookieReader {
  readonly #name: string
  readonly #codec: CookieCodec

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
    if (values.length === 0) return null
    const verified = [...new Set(values)].map((value) => this.#codec.decode(value)).filter((cookie) => cookie !== null)
    const [only] = verified
    if (only === undefined) return 'forged'
    return verified.length === 1 ? only : 'duplicate'
  }
}
