import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { CREDENTIAL_CHARS, decodeCredential, encodeCredential, equalHashes, hashSecret, newId, newSecret } from '../../src/core/credential.js'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const sample = { id: newId(), secret: newSecret(), issuedAt: 1_900_000_000_000, browserSession: false, defaultLife: false }

const credentials = fc.record({
  id: fc.uuid(),
  secret: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
  issuedAt: fc.integer({ min: 0, max: 2 ** 40 - 1 }).map((seconds) => seconds * 1000),
  browserSession: fc.boolean(),
  defaultLife: fc.boolean()
})

t.test('every credential comes back from its text', async (t) => {
  fc.assert(fc.property(credentials, (credential) => {
    const text = encodeCredential(credential)
    const back = decodeCredential(text)
    return text.length === CREDENTIAL_CHARS && back !== null && back.id === credential.id && back.secret.equals(credential.secret) &&
      back.issuedAt === credential.issuedAt && back.browserSession === credential.browserSession && back.defaultLife === credential.defaultLife
  }))
  t.pass()
})

t.test('every text that is accepted is the one text of its credential', async (t) => {
  const texts = fc.oneof(fc.stringMatching(/^E[A-Za-z0-9_-]{71}$/), fc.stringMatching(/^[A-Za-z0-9_+/=-]{72}$/), fc.stringMatching(/^E[A-Za-z0-9_+/=-]{71}$/))
  fc.assert(fc.property(texts, (text) => {
    const credential = decodeCredential(text)
    return credential === null || encodeCredential(credential) === text
  }), { numRuns: 2_000 })
  t.pass()
})

t.test('any one character changed gives another credential, or none: never the same', async (t) => {
  const text = encodeCredential(sample)
  for (let at = 0; at < text.length; at++) {
    for (const char of [...ALPHABET, '+', '/', '=', '.', ' ', '\0', 'ä']) {
      if (char === text[at]) continue
      const other = decodeCredential(text.slice(0, at) + char + text.slice(at + 1))
      if (other !== null && encodeCredential(other) === text) t.fail(`character ${at} as ${JSON.stringify(char)}`)
      if (other !== null && !ALPHABET.includes(char)) t.fail(`character ${at} as ${JSON.stringify(char)} is accepted`)
    }
  }
  t.pass('none the same')
})

t.test('refused: another length, version or flag', async (t) => {
  const text = encodeCredential(sample)
  for (const wrong of ['', text.slice(1), text.slice(0, -1), text + 'A', text + '=', text + '\n', ' ' + text.slice(1), text.replaceAll(/./g, '!')]) t.equal(decodeCredential(wrong), null)
  const bytes = Buffer.from(text, 'base64url')
  for (let head = 0; head < 256; head++) {
    bytes[0] = head
    t.equal(decodeCredential(bytes.toString('base64url')) !== null, head >= 0x10 && head <= 0x13, `first byte ${head}`)
  }
})

t.test('issue times are whole seconds, rounded down', async (t) => {
  t.equal(decodeCredential(encodeCredential({ ...sample, issuedAt: 1_999.9 }))?.issuedAt, 1_000)
})

t.test('a new id is a UUID v4', async (t) => {
  for (let n = 0; n < 100; n++) t.match(newId(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

t.test('hashes are SHA-256, and compared by content and length', async (t) => {
  t.equal(hashSecret(Buffer.from('abc')).toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  const hash = hashSecret(randomBytes(32))
  t.equal(equalHashes(hash, Uint8Array.from(hash)), true)
  t.equal(equalHashes(hash, hash.subarray(1)), false)
  t.equal(equalHashes(hash, Buffer.alloc(0)), false)
  for (let bit = 0; bit < 256; bit++) {
    const other = Buffer.from(hash)
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (equalHashes(hash, other)) t.fail(`bit ${bit}`)
  }
})
