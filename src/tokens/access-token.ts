import { CompactSign, compactVerify, errors } from 'jose'
import { LruMap } from 'toad-cache'
import { newId } from '../core/credential.js'
import { SessionValueError } from '../core/errors.js'
import { claimsOf, readClaims } from './access-claims.js'
import type { Parties } from './access-claims.js'
import type { SigningKeys, VerifyingKey } from './signing-keys.js'
import type { LineageFacts } from './store.js'
import type { AccessToken } from './tokens.js'

export interface AccessTokenOptions extends Parties {
  readonly keys: SigningKeys
  /** Seconds. */
  readonly lifeSeconds: number
  /** Most verified tokens that are remembered. Default 10,000. */
  readonly remembered?: number
}

/** An access token that was made. */
export interface SignedAccessToken {
  readonly text: string
  /** Whole seconds. */
  readonly lifeSeconds: number
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Longest token that is made or looked at (RFC 8725 section 3.6: limits come before parsing). */
const MAX_CHARS = 8 * 1024
/** The media type of RFC 9068 section 2.1, and the long form that section 4 allows. */
const TYPE = 'at+jwt'
const TYPES: ReadonlySet<string> = new Set([TYPE, `application/${TYPE}`])
/** The largest share that is taken off a life, so that clients that were signed in together do not refresh together. */
const JITTER = 0.05

/** A token that was verified. */
interface Verified {
  readonly text: string
  readonly access: AccessToken
}

/** 240 bits of the signature. */
const END_CHARS = 40

/**
 * Makes and verifies access tokens: JWTs by the profile of RFC 9068, signed by jose.
 *
 * Knows nothing of revocation: whoever asks looks that up each time. Tokens that were verified once are remembered under
 * their exact text until they expire; they are found by its end, which is quicker to hash and no two have alike. The cache of toad-cache is used for its order, and bounds it: an entry costs a
 * pointer to move where a Map would delete and insert. Its clock is the machine's and stays off.
 */
export class AccessTokens {
  readonly #options: AccessTokenOptions
  readonly #verified: LruMap<Verified>
  #hits = 0
  #misses = 0

  constructor (options: AccessTokenOptions) {
    this.#options = options
    this.#verified = new LruMap(options.remembered ?? 10_000)
  }

  /** How often a token was remembered from before, and how often it had to be verified. */
  get cache (): { readonly hits: number, readonly misses: number } { return { hits: this.#hits, misses: this.#misses } }

  /**
   * Signs what the facts say. The life is shortened at random by up to 5 %, to whole seconds, at least one; it is never past
   * the session's end, and 0 where that is less than a second away.
   * @throws SessionValueError `ERR_SESSION_VALUE` for claims that make it longer than 8 KiB
   */
  async sign (facts: LineageFacts, { confirms }: { readonly confirms: boolean }): Promise<SignedAccessToken> {
    const { keys: { signing }, lifeSeconds: longest } = this.#options
    const drawn = Math.max(1, Math.floor(longest * (1 - JITTER * Math.random())))
    const lifeSeconds = Math.max(0, Math.min(drawn, Math.floor((facts.expiresAt - facts.issuedAt) / 1000)))
    const claims = claimsOf(facts, this.#options, { jti: newId(), lifeSeconds, confirms })
    const text = await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: signing.algorithm, kid: signing.kid, typ: TYPE })
      .sign(signing.key)
    if (text.length > MAX_CHARS) throw new SessionValueError('claims', `make an access token of over ${MAX_CHARS / 1024} KiB`)
    return { text, lifeSeconds, expiresAt: facts.issuedAt + lifeSeconds * 1000 }
  }

  /** What a token says that was verified before and has not expired; `null`: call `verify`. */
  known (text: string, now: number): AccessToken | null {
    const end = text.slice(-END_CHARS)
    const verified = this.#verified.get(end)
    if (verified === undefined || verified.text !== text) return null
    if (verified.access.expiresAt > now) {
      this.#hits++
      return verified.access
    }
    this.#verified.delete(end)
    return null
  }

  /** What a token says; `null` for any text that `sign` did not make with one of these keys for this audience, and for one that has expired. */
  async verify (text: string, now: number): Promise<AccessToken | null> {
    const known = this.known(text, now)
    if (known !== null) return known
    this.#misses++
    const payload = await this.#payload(text)
    const claims = payload === null ? null : parseExact(payload)
    const access = claims === null ? null : readClaims(claims, this.#options, now)
    if (access !== null) this.#verified.set(text.slice(-END_CHARS), { text, access })
    return access
  }

  /** The payload, once its signature is good: before that nothing of it is looked at. */
  async #payload (text: string): Promise<Uint8Array | null> {
    if (text.length > MAX_CHARS) return null
    const segments = text.split('.', 4)
    const [header = ''] = segments
    if (segments.length !== 3 || !segments.every(isBase64Url)) return null
    const key = this.#keyFor(parseExact(Buffer.from(header, 'base64url')))
    if (key === null) return null
    try {
      return (await compactVerify(text, key.key, { algorithms: [key.algorithm] })).payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }

  /** The key that a header names, where the header asks for nothing that we do not do (RFC 7515 section 4.1.11, RFC 7797). */
  #keyFor (header: Readonly<Record<string, unknown>> | null): VerifyingKey | null {
    if (header === null || 'crit' in header || 'b64' in header || 'zip' in header) return null
    const { alg, kid, typ } = header
    if (typeof kid !== 'string' || typeof typ !== 'string' || !TYPES.has(typ.toLowerCase())) return null
    const key = this.#options.keys.verifying.get(kid)
    return key === undefined || key.algorithm !== alg ? null : key
  }
}

/** Whether a segment is the one text of its bytes: no padding, no white space, no bits left over. */
function isBase64Url (segment: string): boolean {
  return segment !== '' && Buffer.from(segment, 'base64url').toString('base64url') === segment
}

/**
 * A JSON object that is written as `JSON.stringify` writes it; `null`: anything else. So no name stands twice, no number
 * is too large, no text has two spellings.
 */
function parseExact (bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  const text = Buffer.from(bytes).toString()
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value) || JSON.stringify(value) !== text) return null
    return Object.fromEntries(Object.entries(value))
  } catch {
    return null // no JSON
  }
}
