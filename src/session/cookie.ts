import { createRequire } from 'node:module'
import { CREDENTIAL_CHARS, decodeCredential, encodeCredential, hashSecret } from '../core/credential.js'
import type { Credential } from '../core/credential.js'
import { deriveKey } from '../core/keys.js'

/** The Signer of @fastify/cookie; typed here because that package's types bring Fastify's, which this floor does not know. */
interface CookieSigner {
  sign (value: string): string
  unsign (value: string): { readonly valid: boolean, readonly renew: boolean }
}
const { Signer }: { Signer: new (keys: Buffer[], algorithm: string) => CookieSigner } = createRequire(import.meta.url)('@fastify/cookie')

/** Encrypts cookie values. `open` answers `null` for whatever `seal` did not make. */
export interface CookieSealer {
  seal (text: string): string
  open (sealed: string): { readonly text: string, readonly renew: boolean } | null
}

/** A credential that verified. */
export interface VerifiedCookie {
  readonly credential: Credential
  /** What the store keeps of its secret. */
  readonly secretHash: Uint8Array
  /** An older key made it: send it again, made with the newest. */
  readonly renew: boolean
}

/** Turns credentials into cookie values and back. */
export interface CookieCodec {
  encode (credential: Credential): string
  /** `null`: not a value of ours, or not signed (and sealed, where that is on) for this cookie name. Constant-time. */
  decode (value: string): VerifiedCookie | null
}

/** HMAC-SHA-256 in base64url without padding. */
const SIGNATURE_CHARS = 43
const SIGNED = new RegExp(`^[A-Za-z0-9_-]{${CREDENTIAL_CHARS}}\\.[A-Za-z0-9_-]{${SIGNATURE_CHARS}}$`)

/**
 * The format on the wire:
 *
 * 1. credential (core/credential.ts)
 * 2. "." and its HMAC-SHA-256 under a key derived for "session cookie" and the cookie's name, so that a value cannot be
 *    moved to a cookie of another name
 * 3. sealed, where a sealer is given: there is no way in for a value that is only signed
 *
 * Signatures travel as base64url, so that the value needs no percent-encoding and has exactly one text.
 */
export function createCookieCodec ({ cookieName, keys, sealer }: {
  cookieName: string
  keys: readonly Uint8Array[]
  sealer: CookieSealer | undefined
}): CookieCodec {
  const signer = new Signer(keys.map((key) => deriveKey(key, 'session cookie', cookieName)), 'sha256')
  const verify = (value: string): VerifiedCookie | null => {
    if (value.length !== CREDENTIAL_CHARS + 1 + SIGNATURE_CHARS || !SIGNED.test(value)) return null
    const { valid, renew } = signer.unsign(value.slice(0, CREDENTIAL_CHARS + 1) + toBase64(value.slice(CREDENTIAL_CHARS + 1)))
    const credential = valid ? decodeCredential(value.slice(0, CREDENTIAL_CHARS)) : null
    return credential && { credential, secretHash: hashSecret(credential.secret), renew }
  }
  const sign = (credential: Credential): string => {
    const text = encodeCredential(credential)
    return text + toBase64Url(signer.sign(text).slice(CREDENTIAL_CHARS))
  }
  if (sealer === undefined) return { encode: sign, decode: verify }
  return {
    encode: (credential) => sealer.seal(sign(credential)),
    decode (value) {
      const opened = sealer.open(value)
      const verified = opened && verify(opened.text)
      return verified && { ...verified, renew: verified.renew || opened.renew }
    }
  }
}

/**
 * All values of one cookie in a `Cookie` header, in their order, undecoded (RFC 6265 section 5.4 lets several come).
 *
 * The name is compared exactly and never percent-decoded (CVE-2020-7070).
 */
export function readCookies (header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (header === undefined) return values
  const prefix = `${name}=`
  for (let at = header.indexOf(prefix); at !== -1; at = header.indexOf(prefix, at + 1)) {
    if (!startsPair(header, at)) continue
    const end = header.indexOf(';', at)
    values.push(strip(header, at + prefix.length, end === -1 ? header.length : end))
  }
  return values
}

function startsPair (header: string, at: number): boolean {
  let before = at - 1
  while (isSpace(header[before])) before--
  return before < 0 || header[before] === ';'
}

/** Without the white space of RFC 9110 at both ends. Not `trim`, to which U+00A0 is white too. */
function strip (header: string, from: number, to: number): string {
  while (from < to && isSpace(header[from])) from++
  while (from < to && isSpace(header[to - 1])) to--
  return header.slice(from, to)
}

const isSpace = (char: string | undefined): boolean => char === ' ' || char === '\t'

const toBase64 = (text: string): string => text.replaceAll('-', '+').replaceAll('_', '/')
const toBase64Url = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')
