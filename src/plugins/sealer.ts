import { createRequire } from 'node:module'
import Fastify from 'fastify'
import { deriveKey, parseKeys } from '../core/keys.js'
import type { KeysOption } from '../core/keys.js'
import { rejectUnknown, seconds, show } from '../core/options.js'
import type { CookieSealer } from '../session/cookie.js'
import { LONGEST_MAX_AGE } from '../session/options.js'

// What is used of @fastify/secure-session, whose own types declare `request.session`: they must not be loaded.
type Create = (data: { value: string }) => object
type Encode = (session: object, name: string) => string
type Decode = (text: string, log: object, name: string) => { get (key: 'value'): unknown, readonly changed: boolean } | null

const NAME = 'sealed'
const DAY = 24 * 60 * 60
const SEALED = /^[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}$/

/** Options of `createSealer`, all required. */
export interface SealerOptions {
  /** 32-byte keys, newest first. */
  readonly encryptionKey: KeysOption
  /** The keys are derived for it: a value sealed for another cookie does not open. */
  readonly cookieName: string
  /** Seconds, as the manager's. A seal is worth a day longer, for the row decides what is expired. */
  readonly absoluteMaxAge: number
}

/**
 * Makes the sealer of a cookie, by the encode and decode of @fastify/secure-session (libsodium secretbox).
 *
 * That package works on a Fastify instance, so it gets one of its own, which never listens: nothing of it reaches the
 * application. Sealed values travel as base64url, ciphertext and nonce apart by ".".
 *
 * @throws TypeError naming the option that is wrong: also for a key that is missing, guessable or not of 32 bytes
 */
export async function createSealer (options: SealerOptions): Promise<CookieSealer> {
  rejectUnknown('createSealer', options, ['encryptionKey', 'cookieName', 'absoluteMaxAge'])
  const { encryptionKey, cookieName } = options
  if (typeof cookieName !== 'string' || cookieName === '') throw new TypeError(`"cookieName" option must be the name of the cookie; got ${show(cookieName)}`)
  const absoluteMaxAge = seconds('absoluteMaxAge', options.absoluteMaxAge, { min: 1, max: LONGEST_MAX_AGE })
  const keys = parseKeys('encryptionKey', encryptionKey, { exactBytes: 32 })
  const host = Fastify()
  await host.register(createRequire(import.meta.url)('@fastify/secure-session'), {
    sessionName: NAME,
    key: keys.map((key) => deriveKey(key, 'session cookie seal', cookieName)),
    expiry: Math.ceil(absoluteMaxAge) + DAY
  })
  await host.ready()
  const create = host.getDecorator<Create>('createSecureSession')
  const encode = host.getDecorator<Encode>('encodeSecureSession')
  const decode = host.getDecorator<Decode>('decodeSecureSession')
  const silent = { trace () {}, debug () {} }
  return {
    seal (text) {
      return toUrl(encode(create({ value: text }), NAME))
    },
    open (sealed) {
      if (!SEALED.test(sealed)) return null
      const opened = decode(fromUrl(sealed), silent, NAME)
      const text = opened?.get('value')
      // one text a seal: a value that decodes to the same bytes by another spelling is refused
      return opened === null || typeof text !== 'string' || !isCanonical(sealed) ? null : { text, renew: opened.changed }
    }
  }
}

const toUrl = (sealed: string): string => sealed.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '').replace(';', '.')
const fromUrl = (sealed: string): string => sealed.replaceAll('-', '+').replaceAll('_', '/').replace('.', ';')
const isCanonical = (sealed: string): boolean => sealed.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
