import { createHmac } from 'node:crypto'
import { equalHashes, hashSecret } from '../core/credential.js'
import { deriveKey } from '../core/keys.js'
import { uuidIn } from '../core/uuid.js'

/**
 * What a refresh token says: which lineage, which generation, and possession of the secret of that generation.
 *
 * Text form: `rt_`, then 119 base64url characters without padding, of 89 bytes:
 *
 * 1. version, 1 byte: 1
 * 2. key id, 4 bytes: which `refreshKey` made the MAC, and derives the successor
 * 3. session id, 16 bytes
 * 4. generation, 4 bytes
 * 5. secret, 32 bytes
 * 6. MAC, 32 bytes: HMAC-SHA-256 over session id, generation and SHA-256(secret)
 */
export interface RefreshToken {
  readonly sessionId: string
  readonly generation: number
  readonly secret: Buffer
}

/** A refresh token whose MAC is good. */
export interface GenuineRefreshToken extends RefreshToken {
  /** SHA-256 of the secret: what the store knows. */
  readonly hash: Buffer
  /**
   * The secret of generation + 1 under every key, the one that this token names first: the same on every node, whenever it
   * is asked for. The others were given where another text of this token, of the same secret, was the one presented.
   */
  readonly successors: readonly [Successor, ...Successor[]]
}

/** What may succeed a refresh token. */
export interface Successor {
  readonly secret: Buffer
  /** SHA-256 of it. */
  readonly hash: Buffer
}

/** The keys of one purpose each that a `refreshKey` is expanded to. None says anything of another. */
interface DerivedKeys {
  readonly id: Buffer
  readonly mac: Buffer
  readonly successor: Buffer
}

/** What refresh tokens begin with, and access tokens never do. */
export const REFRESH_PREFIX = 'rt_'
const TOKEN_BYTES = 89
const FORM = new RegExp(`^${REFRESH_PREFIX}[A-Za-z0-9_-]{119}$`)
const VERSION = 1
/** Where the parts begin. */
const KEY_ID = 1
const SESSION_ID = 5
const GENERATION = 21
const SECRET = 25
const MAC = 57

/** Turns refresh tokens into text and back. */
export class RefreshTokenCodec {
  readonly #newest: DerivedKeys
  readonly #keys: readonly DerivedKeys[]

  /** @param keys `refreshKey`, newest first: the first makes tokens, all verify */
  constructor (keys: readonly Uint8Array[]) {
    this.#keys = keys.map(derive)
    const [newest] = this.#keys
    if (newest === undefined) throw new TypeError('"refreshKey" option is required: at least one key')
    this.#newest = newest
  }

  encode ({ sessionId, generation, secret }: RefreshToken): string {
    const bytes = Buffer.alloc(TOKEN_BYTES)
    bytes[0] = VERSION
    bytes.set(this.#newest.id, KEY_ID)
    bytes.write(sessionId.replaceAll('-', ''), SESSION_ID, 'hex')
    bytes.writeUInt32BE(generation, GENERATION)
    bytes.set(secret, SECRET)
    bytes.set(macOf(this.#newest, bytes, hashSecret(secret)), MAC)
    return REFRESH_PREFIX + bytes.toString('base64url')
  }

  /** The reverse of `encode`, for any of the keys; `null` for any text that it does not make. The MAC is compared in constant time. */
  decode (text: string): GenuineRefreshToken | null {
    if (!FORM.test(text)) return null
    const bytes = Buffer.from(text.slice(REFRESH_PREFIX.length), 'base64url')
    // 89 bytes leave two bits of the last character unused: of the four texts that say the same, one is a token
    if (bytes[0] !== VERSION || bytes.toString('base64url') !== text.slice(REFRESH_PREFIX.length)) return null
    const secret = bytes.subarray(SECRET, MAC)
    const hash = hashSecret(secret)
    const keys = this.#keys.find((keys) => keys.id.equals(bytes.subarray(KEY_ID, SESSION_ID)) && equalHashes(macOf(keys, bytes, hash), bytes.subarray(MAC)))
    if (keys === undefined) return null
    const others = this.#keys.filter((other) => other !== keys).map((other) => successorOf(other, bytes))
    return { sessionId: uuidIn(bytes, SESSION_ID), generation: bytes.readUInt32BE(GENERATION), secret, hash, successors: [successorOf(keys, bytes), ...others] }
  }
}

function derive (key: Uint8Array): DerivedKeys {
  return {
    // a hash of a key that has no other use: what stands in every token must lead to none
    id: hashSecret(deriveKey(key, 'refresh token', 'key id')).subarray(0, SESSION_ID - KEY_ID),
    mac: deriveKey(key, 'refresh token', 'mac'),
    successor: deriveKey(key, 'refresh token', 'successor')
  }
}

/** Session id and generation stand side by side in the token. */
function macOf (keys: DerivedKeys, bytes: Buffer, hash: Buffer): Buffer {
  return createHmac('sha256', keys.mac).update(bytes.subarray(SESSION_ID, SECRET)).update(hash).digest()
}

function successorOf (keys: DerivedKeys, bytes: Buffer): Successor {
  const next = Buffer.alloc(4)
  next.writeUInt32BE(bytes.readUInt32BE(GENERATION) + 1)
  const secret = createHmac('sha256', keys.successor).update('successor').update(bytes.subarray(SESSION_ID, GENERATION)).update(next).update(bytes.subarray(SECRET, MAC)).digest()
  return { secret, hash: hashSecret(secret) }
}
