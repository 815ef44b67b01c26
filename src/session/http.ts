import type { IncomingHttpHeaders } from 'node:http'

/** Pino, or what has these of its methods. */
export interface Log {
  debug (facts: object, message: string): void
  info (facts: object, message: string): void
  warn (facts: object, message: string): void
  warn (message: string): void
  error (facts: object, message: string): void
}

/** What a manager reads of a request; a FastifyRequest is one. */
export interface RequestLike {
  readonly headers: IncomingHttpHeaders
  readonly method: string
  readonly protocol: string
  readonly host: string
  readonly ip: string
  readonly log: Log
  readonly routeOptions?: { readonly config?: { readonly onStoreError?: 'fail' | 'anonymous' } }
}

/** What a manager does to a reply; a FastifyReply with @fastify/cookie is one. */
export interface ReplyLike {
  readonly raw: { once (event: 'close', listener: () => void): unknown }
  setCookie (name: string, value: string, options: object): unknown
  header (name: string, value: string | string[]): unknown
  getHeader (name: string): number | string | string[] | undefined
  removeHeader (name: string): unknown
}

/** All options of `reply.setCookie`: for one that is not there, @fastify/cookie takes the application's `parseOptions`. */
export interface SetCookieOptions {
  readonly path: string
  readonly domain: string | undefined
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: 'lax' | 'strict' | 'none'
  readonly maxAge: number | undefined
  readonly expires: Date | undefined
  readonly signed: false
  readonly partitioned: false
  readonly priority: undefined
  readonly encode: (value: string) => string
}

/** Takes back a `Set-Cookie` for this name that an earlier refresh wrote: one a name and answer (RFC 6265 section 4.1.1). */
export function dropSetCookie (reply: ReplyLike, name: string): void {
  const header = reply.getHeader('set-cookie')
  if (header === undefined) return
  const others = [header].flat().map(String).filter((cookie) => !cookie.startsWith(`${name}=`))
  reply.removeHeader('set-cookie')
  if (others.length > 0) reply.header('set-cookie', others)
}

/** An answer with a credential is for one browser alone, whatever the handler said (RFC 9111 section 7.3). */
export function forbidCaching (reply: ReplyLike): void {
  reply.header('cache-control', 'no-store')
  addVary(reply, 'Cookie')
}

/** Adds a field name to `Vary`, unless it is there. */
export function addVary (reply: ReplyLike, field: string): void {
  const fields = String(reply.getHeader('vary') ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '')
  if (fields.includes('*') || fields.some((name) => name.toLowerCase() === field.toLowerCase())) return
  reply.header('vary', [...fields, field].join(', '))
}
