import type { CookieCodec } from './cookie.js'
import { dropSetCookie, forbidCaching } from './http.js'
import type { ReplyLike, RequestLike, SetCookieOptions } from './http.js'
import type { CookieToSend } from './session-cookie.js'

/** Puts the session cookie on replies: one `Set-Cookie` an answer, and no cache may keep it. */
export class CookieWriter {
  readonly #name: string
  readonly #codec: CookieCodec
  #hasWarned = false

  constructor (name: string, codec: CookieCodec) {
    this.#name = name
    this.#codec = codec
  }

  write ({ credential, attributes, maxAge }: CookieToSend, request: RequestLike, reply: ReplyLike): void {
    const expires = credential === null ? new Date(0) : undefined
    const options: SetCookieOptions = { ...attributes, maxAge, expires, signed: false, partitioned: false, priority: undefined, encode: (value) => value }
    dropSetCookie(reply, this.#name)
    reply.setCookie(this.#name, credential === null ? '' : this.#codec.encode(credential), options)
    forbidCaching(reply)
    if (attributes.secure && request.protocol !== 'https') this.#warnInsecure(request)
  }

  /** Browsers drop a Secure cookie from an http page, localhost apart: a silent failure otherwise. */
  #warnInsecure (request: RequestLike): void {
    if (this.#hasWarned || /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(request.host)) return
    this.#hasWarned = true
    request.log.warn('the session cookie is Secure, but this request came over http: browsers will not keep it. Behind a proxy that ends TLS, set trustProxy and have the proxy send X-Forwarded-Proto')
  }
}
