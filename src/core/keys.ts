import { hkdfSync } from 'node:crypto'

/** Bytes that every key has at least, and that derived keys have. */
export const KEY_BYTES = 32

/** Raw key material as users give it: one key or several, newest first; text may hold several, separated by commas. */
export type KeysOption = string | Uint8Array | readonly (string | Uint8Array)[]

const PLACEHOLDERS = /secret|change-?me|keyboard[ _-]?cat|auth-?key|enc(?:ryption)?-?key|password|example|placeholder/i
const HEX = /^(?:[0-9a-f]{2})+$/i
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/**
 * Decodes and checks keys. Text is hex, base64 or base64url; a key has at least 32 bytes after decoding
 * (`exactBytes`: exactly so many).
 *
 * @throws TypeError naming the option and the position in the list, never the value: for a missing, short, repeated,
 * guessable (few distinct bytes, runs, readable text, known placeholders) or undecodable key
 */
export function parseKeys (option: string, given: unknown, { exactBytes }: { exactBytes?: number } = {}): readonly Buffer[] {
  const list = toList(given)
  if (list.length === 0) throw new TypeError(`"${option}" option is required: at least one key of ${KEY_BYTES} bytes`)
  const keys = list.map((key, index) => parseKey(list.length === 1 ? `"${option}" option` : `"${option}" option, key ${index + 1},`, key, exactBytes))
  keys.forEach((key, index) => {
    if (keys.findIndex((other) => other.equals(key)) !== index) throw new TypeError(`"${option}" option holds the same key twice`)
  })
  return keys
}

/** @throws TypeError when a key stands in both lists: one raw key must not serve two purposes. */
export function rejectSharedKeys (a: string, aKeys: readonly Buffer[], b: string, bKeys: readonly Buffer[]): void {
  if (aKeys.some((key) => bKeys.some((other) => other.equals(key)))) {
    throw new TypeError(`"${a}" and "${b}" options must not share a key`)
  }
}

/**
 * Derives the key for one purpose and one cookie name (HKDF-SHA-256, RFC 5869), so that a value made for one is
 * refused by the other.
 */
export function deriveKey (key: Uint8Array, purpose: string, name: string): Buffer {
  const info = ['silverback v1', purpose, name].map((part) => `${Buffer.byteLength(part)}:${part}`).join('')
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, KEY_BYTES))
}

function toList (given: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : given === undefined || given === null || given === '' ? [] : [given]
  return list.flatMap((key) => typeof key === 'string' ? key.split(',').map((part) => part.trim()) : [key])
}

function parseKey (what: string, given: unknown, exactBytes: number | undefined): Buffer {
  const key = decode(what, given)
  const need = exactBytes ?? KEY_BYTES
  if (exactBytes === undefined ? key.length < need : key.length !== need) {
    throw new TypeError(`${what} must have ${exactBytes === undefined ? 'at least' : 'exactly'} ${need} bytes after decoding; it has ${key.length}`)
  }
  if (isGuessable(key)) throw new TypeError(`${what} is guessable; make one with: openssl rand -base64 32`)
  return key
}

function decode (what: string, given: unknown): Buffer {
  if (given instanceof Uint8Array) return Buffer.from(given)
  if (typeof given !== 'string') throw new TypeError(`${what} must be a Buffer or text`)
  if (given === '') throw new TypeError(`${what} is empty`)
  if (PLACEHOLDERS.test(given)) throw new TypeError(`${what} is a placeholder; make one with: openssl rand -base64 32`)
  if (HEX.test(given) && given.length >= 2 * KEY_BYTES) return Buffer.from(given, 'hex')
  if (!BASE64.test(given)) throw new TypeError(`${what} must be base64url, base64 or hex text`)
  // 43 random base64 characters without a capital or without a small letter do not happen; words do
  if (given.length >= KEY_BYTES && !(/[a-z]/.test(given) && /[A-Z]/.test(given))) throw new TypeError(`${what} is guessable: it reads like words or digits; make one with: openssl rand -base64 32`)
  return Buffer.from(given, 'base64')
}

/** Catches what was typed rather than drawn: of 32 random bytes fewer than 16 differ, or all are printable, once in 10¹⁰ keys at most. */
function isGuessable (key: Buffer): boolean {
  const distinct = new Set(key).size
  const printable = key.every((byte) => byte >= 0x20 && byte < 0x7f)
  const step = (key[1] ?? 0) - (key[0] ?? 0)
  const run = key.every((byte, i) => i === 0 || byte === (((key[i - 1] ?? 0) + step) & 0xff))
  return distinct < 16 || printable || run || isRepetition(key) || PLACEHOLDERS.test(key.toString('latin1'))
}

/** Whether a block of at most half the length, said again and again, makes the key. */
function isRepetition (key: Buffer): boolean {
  for (let block = 1; block <= key.length / 2; block++) {
    if (key.subarray(block).equals(key.subarray(0, key.length - block))) return true
  }
  return false
}
