interface Asked { readonly ip: string, readonly headers: { readonly 'user-agent'?: string | undefined } }
interface Answered { readonly raw: { once (event: 'close', listener: () => void): unknown } }

/** Where a session's request comes from, and when its connection is over. Asked only when something is stored. */
export class SessionOrigin {
  readonly #request: Asked
  readonly #reply: Answered

  constructor (request: Asked, reply: Answered) {
    this.#request = request
    this.#reply = reply
  }

  /** An IPv4 address that came as IPv6 is given as IPv4, so that one client has one address. */
  get clientIp (): string { return this.#request.ip.replace(/^::ffff:(?=[\d.]+$)/i, '') }
  get userAgent (): string | undefined { return this.#request.headers['user-agent'] }
  onClose (listener: () => void): void { this.#reply.raw.once('close', listener) }
}

const LONGEST_USER_AGENT = 512

/** The user agent as it is stored: at most 512 characters, without control characters; `null` for nothing. */
export function cleanUserAgent (given: string | undefined): string | null {
  const cleaned = given?.replace(/[\p{Cc}\p{Cs}]/gu, '').slice(0, LONGEST_USER_AGENT).toWellFormed() ?? ''
  return cleaned === '' ? null : cleaned
}
