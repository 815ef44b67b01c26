import { createHash, createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto'
import { deriveKey, parseKeys } from '../core/keys.js'
import { show } from '../core/options.js'
import type { JsonWebKeySet } from './tokens.js'

/** One key, or one of a list. Text: PEM (PKCS#8, or SPKI for a public key; several blocks; `\n` may be written out), or a symmetric key as for `authKey`. */
export type SigningKeyOption = string | Uint8Array | KeyObject
/** Newest first: the first signs, all verify. */
export type SigningKeysOption = SigningKeyOption | readonly SigningKeyOption[]

/** EdDSA: Ed25519. ES256: P-256. HS256: for one service that signs and verifies. */
export type SigningAlgorithm = 'EdDSA' | 'ES256' | 'HS256'

/** A key with the one algorithm that it serves (RFC 8725 section 3.1). */
export interface VerifyingKey {
  /** The key's thumbprint (RFC 7638); of a symmetric key that of a derived one. */
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  readonly key: KeyObject
}

/** `signingKeys` after checking. */
export interface SigningKeys {
  /** The newest: its private key, or the symmetric one. */
  readonly signing: VerifyingKey
  /** All, by `kid`. */
  readonly verifying: ReadonlyMap<string, VerifyingKey>
  /** The public halves; empty for HS256. */
  readonly keySet: JsonWebKeySet
  /** The raw symmetric keys, to be compared with keys of other purposes; empty for the others. */
  readonly symmetric: readonly Buffer[]
}

const OPTION = '"signingKeys" option'
const PEM_MARK = '-----BEGIN'
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g
const MAKE_ONE = 'make one with: openssl genpkey -algorithm ed25519'

/** @throws TypeError naming the option and the position, never the value: for a missing, weak, repeated or unfit key, and kinds that do not go together */
export function parseSigningKeys (given: unknown): SigningKeys {
  const list = toList(given)
  if (list.length === 0) throw new TypeError(`${OPTION} is required: a private key in PEM; ${MAKE_ONE}`)
  const symmetric = list.filter((key) => !isAsymmetric(key))
  if (symmetric.length === 0) return asymmetricKeys(list)
  if (symmetric.length < list.length) throw new TypeError(`${OPTION} must not mix symmetric and asymmetric keys: a public key could be taken for a secret`)
  return symmetricKeys(list)
}

function toList (given: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  return list.flatMap((key, index): readonly unknown[] => {
    const text = pemText(key)
    if (text !== null) return pemBlocks(text, index)
    if (Array.isArray(given)) return [key]
    return key === undefined || key === null || key === '' ? [] : [key]
  })
}

/** The text of a PEM, wherever in it the mark stands: what looks like one is never a symmetric key (CVE-2023-48223). */
function pemText (key: unknown): string | null {
  const text = key instanceof Uint8Array ? Buffer.from(key).toString('latin1') : key
  return typeof text === 'string' && text.includes(PEM_MARK) ? text.replaceAll('\\n', '\n') : null
}

function pemBlocks (text: string, index: number): readonly string[] {
  if (text.replaceAll(PEM_BLOCK, '').trim() !== '') throw new TypeError(`${OPTION}, entry ${index + 1}, holds more than whole PEM blocks`)
  return text.match(PEM_BLOCK) ?? []
}

const isAsymmetric = (key: unknown): boolean => key instanceof KeyObject ? key.type !== 'secret' : pemText(key) !== null

function symmetricKeys (list: readonly unknown[]): SigningKeys {
  const keys = parseKeys('signingKeys', list.map((key) => key instanceof KeyObject ? key.export() : key))
  keys.forEach((key, index) => {
    if (isDer(key)) throw new TypeError(`${OPTION}, key ${index + 1}, is DER; give it as PEM`)
  })
  const found = keys.map((key): VerifyingKey => ({
    kid: thumbprint({ k: deriveKey(key, 'access token', 'key id').toString('base64url'), kty: 'oct' }),
    algorithm: 'HS256',
    key: createSecretKey(key)
  }))
  return { ...ringOf(found), keySet: Object.freeze({ keys: Object.freeze([]) }), symmetric: keys }
}

function asymmetricKeys (list: readonly unknown[]): SigningKeys {
  const parsed = list.map((given, index) => {
    const key = given instanceof KeyObject ? given : fromPem(given, index)
    if (index === 0 && key.type !== 'private') throw new TypeError(`${OPTION} must begin with a private key: the first one signs`)
    const [algorithm, jwk] = publicJwk(key, index)
    return { jwk, verifying: { kid: thumbprint(jwk), algorithm, key } }
  })
  const keys = parsed.map(({ jwk, verifying: { kid, algorithm } }) => Object.freeze({ ...jwk, kid, alg: algorithm, use: 'sig' }))
  return { ...ringOf(parsed.map(({ verifying }) => verifying)), keySet: Object.freeze({ keys: Object.freeze(keys) }), symmetric: [] }
}

function ringOf (keys: readonly VerifyingKey[]): Pick<SigningKeys, 'signing' | 'verifying'> {
  const [signing] = keys
  if (signing === undefined) throw new TypeError(`${OPTION} is required`)
  const verifying = new Map(keys.map((key) => [key.kid, key.key.type === 'private' ? { ...key, key: createPublicKey(key.key) } : key]))
  if (verifying.size < keys.length) throw new TypeError(`${OPTION} holds the same key twice`)
  return { signing, verifying }
}

function fromPem (pem: unknown, index: number): KeyObject {
  const label = /^-----BEGIN ([A-Z0-9 ]+)-----/.exec(String(pem))?.[1] ?? ''
  if (label !== 'PRIVATE KEY' && label !== 'PUBLIC KEY') {
    throw new TypeError(`${OPTION}, key ${index + 1}, must be PKCS#8 ("BEGIN PRIVATE KEY"), or SPKI for a public key; got ${show(label)}`)
  }
  try {
    return label === 'PRIVATE KEY' ? createPrivateKey(String(pem)) : createPublicKey(String(pem))
  } catch {
    // the cause may quote what it could not read
    throw new TypeError(`${OPTION}, key ${index + 1}, cannot be read as PEM; ${MAKE_ONE}`)
  }
}

/** The members that RFC 7638 takes, in its order. */
function publicJwk (key: KeyObject, index: number): ['EdDSA' | 'ES256', Record<string, string | undefined>] {
  const { kty, crv, x, y } = isFit(key) ? (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' }) : {}
  if (crv === 'Ed25519') return ['EdDSA', { crv, kty, x }]
  if (crv === 'P-256') return ['ES256', { crv, kty, x, y }]
  throw new TypeError(`${OPTION}, key ${index + 1}, must be Ed25519 or P-256; got ${show(key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType)}`)
}

/** Asked before a key is exported: Node has no JWK for some curves. */
const isFit = (key: KeyObject): boolean => key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyDetails?.namedCurve === 'prime256v1'

const thumbprint = (members: object): string => createHash('sha256').update(JSON.stringify(members)).digest('base64url')

/** Whether bytes that were given as a secret are a key pair's, and so perhaps public. */
function isDer (key: Buffer): boolean {
  const reads = [() => createPublicKey({ key, format: 'der', type: 'spki' }), () => createPrivateKey({ key, format: 'der', type: 'pkcs8' })]
  return reads.some((read) => {
    try {
      return read() instanceof KeyObject
    } catch {
      return false
    }
  })
}
