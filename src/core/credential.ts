import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { uuidIn } from './uuid.js'

/**
 * What a session cookie proves: which session, and possession of its secret.
 *
 * Text form, 72 base64url characters without padding, of 54 bytes:
 *
 * 1. version and flags, 1 byte: the upper half is 1, the lowest bit says "browser session", the next "default life"
 * 2. session id, 16 bytes
 * 3. secret, 32 bytes
 * 4. issue time, 5 bytes, whole seconds since 1970 by the store's clock
 *
 * 54 is divisible by 3, so that every credential has exactly one text.
 */
export interface Credential {
  readonly id: string
  readonly secret: Buffer
  /** Milliseconds since 1970, whole seconds. */
  readonly issuedAt: number
  /** The cookie has no Max-Age: it ends with the browser. */
  readonly browserSession: boolean
  /** The cookie lives for the manager's `maxAge`, whatever tokens have made of the session's own since. */
  readonly defaultLife: boolean
}

/** Length of a credential's text. */
export const CREDENTIAL_CHARS = 72

/** Checked, for Node reads the letters of base64 as well. */
const FORM = new RegExp(`^[A-Za-z0-9_-]{${CREDENTIAL_CHARS}}$`)
const VERSION = 0x10
const BROWSER_SESSION = 0x01
const DEFAULT_LIFE = 0x02
const SECRET_BYTES = 32

/** A new session id: UUID v4, a handle and not a secret. */
export const newId = (): string => randomUUID()

/** A new secret: 256 bits of the system's generator (ASVS 7.2.3). */
export const newSecret = (): Buffer => randomBytes(SECRET_BYTES)

/** What the store keeps of a secret. */
export const hashSecret = (secret: Uint8Array): Buffer => hash('sha256', secret, 'buffer')

/** Compares two hashes in constant time. */
export const equalHashes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

export function encodeCredential ({ id, secret, issuedAt, browserSession, defaultLife }: Credential): string {
  const bytes = Buffer.allocUnsafe(54)
  bytes[0] = VERSION | (browserSession ? BROWSER_SESSION : 0) | (defaultLife ? DEFAULT_LIFE : 0)
  bytes.write(id.replaceAll('-', ''), 1, 'hex')
  bytes.set(secret, 17)
  bytes.writeUIntBE(Math.floor(issuedAt / 1000), 49, 5)
  return bytes.toString('base64url')
}

/** The reverse of `encodeCredential`; `null` for any text that it does not make. */
export function decodeCredential (text: string): Credential | null {
  if (!FORM.test(text)) return null
  const bytes = Buffer.from(text, 'base64url')
  const head = bytes[0] ?? 0
  if (bytes.length !== 54 || (head & ~(BROWSER_SESSION | DEFAULT_LIFE)) !== VERSION) return null
  return {
    id: uuidIn(bytes, 1),
    secret: bytes.subarray(17, 49),
    issuedAt: bytes.readUIntBE(49, 5) * 1000,
    browserSession: (head & BROWSER_SESSION) !== 0,
    defaultLife: (head & DEFAULT_LIFE) !== 0
  }
}
