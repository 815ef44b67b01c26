import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { deriveKey } from '../../core/keys.js'
import { readCookies } from '../../session/cookie.js'

const ID_BYTES = 16
const MAC_BYTES = 32
/** The longest that browsers keep a cookie (RFC 6265bis section 5.5). */
const LIFE_SECONDS = 400 * 86_400

/**
 * Remembers, in a signed cookie, that somebody has signed in to an account on this device. No credential: it gives the
 * device a count of failures of its own, which strangers cannot use up (OWASP, Slow Down Online Guessing Attacks with
 * Device Cookies). It is bound to one account.
 */
export class KnownDevices {
  readonly cookieName: string
  readonly #secure: boolean
  readonly #keys: readonly Buffer[]

  /** @param keys newest first: the first signs, all verify */
  constructor ({ keys, secure }: { readonly keys: readonly Uint8Array[], readonly secure: boolean }) {
    this.cookieName = secure ? '__Host-kd' : 'kd'
    this.#secure = secure
    this.#keys = keys.map((key) => deriveKey(key, 'known device', this.cookieName))
  }

  /** The id of a device that is known to the account; `null`: it is not. */
  idOf (request: FastifyRequest, emailKey: string): string | null {
    for (const value of readCookies(request.headers.cookie, this.cookieName)) {
      const bytes = Buffer.from(value, 'base64url')
      // one device, one text: the decoder passes over what does not belong
      if (bytes.length !== ID_BYTES + MAC_BYTES || bytes.toString('base64url') !== value) continue
      const [id, mac] = [bytes.subarray(0, ID_BYTES), bytes.subarray(ID_BYTES)]
      if (this.#keys.some((key) => timingSafeEqual(macOf(key, id, emailKey), mac))) return id.toString('base64url')
    }
    return null
  }

  /** Makes the device known to the account, unless it is. */
  remember (request: FastifyRequest, reply: FastifyReply, emailKey: string): void {
    const [key] = this.#keys
    if (key === undefined || this.idOf(request, emailKey) !== null) return
    const id = randomBytes(ID_BYTES)
    const value = Buffer.concat([id, macOf(key, id, emailKey)]).toString('base64url')
    void reply.setCookie(this.cookieName, value, { path: '/', httpOnly: true, secure: this.#secure, sameSite: 'lax', maxAge: LIFE_SECONDS })
  }
}

const macOf = (key: Buffer, id: Buffer, emailKey: string): Buffer => createHmac('sha256', key).update(id).update(emailKey).digest()
