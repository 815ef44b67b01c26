import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { hashSecret, newId, newSecret } from '../../src/core/credential.js'
import { deriveKey } from '../../src/core/keys.js'
import { RefreshTokenCodec } from '../../src/tokens/refresh-token.js'

const [A, B, C] = [randomBytes(32), randomBytes(32), randomBytes(32)]
const codec = new RefreshTokenCodec([A])
const sessionId = newId()
const secret = newSecret()
const token = codec.encode({ sessionId, generation: 7, secret })

/** A token with one part replaced, and its text made anew. */
const altered = (at: number, bytes: Uint8Array, text = token): string => {
  const all = Buffer.from(text.slice(3), 'base64url')
  all.set(bytes, at)
  return `rt_${all.toString('base64url')}`
}

t.test('what encode makes, decode reads, for any session, generation and secret', async (t) => {
  fc.assert(fc.property(fc.uuid(), fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (sessionId, generation, bytes) => {
    const secret = Buffer.from(bytes)
    const text = codec.encode({ sessionId, generation, secret })
    const read = codec.decode(text)
    return /^rt_[\w-]{119}$/.test(text) && read !== null && read.sessionId === sessionId && read.generation === generation &&
      read.secret.equals(secret) && read.hash.equals(hashSecret(secret)) && read.successors.length === 1 && read.successors[0].hash.equals(hashSecret(read.successors[0].secret))
  }))
  t.throws(() => new RefreshTokenCodec([]), { name: 'TypeError', message: /refreshKey/ })
})

t.test('J11: every token has exactly one text: no other character, length, padding or spare bit is accepted', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n\0é'
  for (let at = 0; at < token.length; at++) {
    for (const char of alphabet) {
      if (char === token[at]) continue
      const other = token.slice(0, at) + char + token.slice(at + 1)
      if (codec.decode(other) !== null) t.fail(`character ${at} may be ${JSON.stringify(char)}`)
    }
  }
  for (const other of ['', 'rt_', token.slice(3), `${token}A`, `${token}=`, `${token}==`, ` ${token}`, `${token}\n`, token.slice(0, -1), `RT_${token.slice(3)}`, `rt_${token}`, token.repeat(1000)]) {
    t.equal(codec.decode(other), null)
  }
})

t.test('nonsense is null and never an exception', async () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.base64String().map((text) => `rt_${text}`), fc.uint8Array({ minLength: 89, maxLength: 89 }).map((bytes) => `rt_${Buffer.from(bytes).toString('base64url')}`)), (text) => codec.decode(text) === null))
  fc.assert(fc.property(fc.integer({ min: 0, max: 88 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
    const byte = Buffer.from(token.slice(3), 'base64url')[at] ?? 0
    return codec.decode(altered(at, Uint8Array.of(byte ^ flip))) === null
  }))
})

t.test('C: a stranger who knows a session id and all but the key makes no token of it', async (t) => {
  const body = Buffer.from(token.slice(3), 'base64url').subarray(5, 25)
  const macs = {
    zeros: Buffer.alloc(32),
    'of an empty key': createHmac('sha256', '').update(body).update(hashSecret(secret)).digest(),
    'of another key': createHmac('sha256', deriveKey(B, 'refresh token', 'mac')).update(body).update(hashSecret(secret)).digest(),
    'of the key as it was given': createHmac('sha256', A).update(body).update(hashSecret(secret)).digest(),
    'of the key for successors': createHmac('sha256', deriveKey(A, 'refresh token', 'successor')).update(body).update(hashSecret(secret)).digest(),
    'over the secret in place of its hash': createHmac('sha256', deriveKey(A, 'refresh token', 'mac')).update(body).update(secret).digest()
  }
  for (const [what, mac] of Object.entries(macs)) t.equal(codec.decode(altered(57, mac)), null, `a MAC of ${what}`)
  const right = createHmac('sha256', deriveKey(A, 'refresh token', 'mac')).update(body).update(hashSecret(secret)).digest()
  t.equal(altered(57, right), token, 'the MAC is what the format says')
})

t.test('the MAC of one token does not hold for another session, generation or secret, and no version but 1 is read', async (t) => {
  const other = codec.encode({ sessionId: newId(), generation: 8, secret: newSecret() })
  const parts = Buffer.from(other.slice(3), 'base64url')
  t.equal(codec.decode(altered(5, parts.subarray(5, 21))), null)
  t.equal(codec.decode(altered(21, parts.subarray(21, 25))), null)
  t.equal(codec.decode(altered(25, parts.subarray(25, 57))), null)
  for (const version of [0, 2, 0x10, 0xff]) t.equal(codec.decode(altered(0, Uint8Array.of(version))), null)
})

t.test('the successor of a token is the same whenever and wherever it is derived, and that of no other token', async (t) => {
  const read = codec.decode(token)
  t.ok(read)
  t.same(new RefreshTokenCodec([A]).decode(token)?.successors, read?.successors)
  const next = Buffer.alloc(4)
  next.writeUInt32BE(8)
  const expected = createHmac('sha256', deriveKey(A, 'refresh token', 'successor')).update('successor').update(Buffer.from(sessionId.replaceAll('-', ''), 'hex')).update(next).update(secret).digest()
  t.same(read?.successors[0].secret, expected)
  for (const other of [{ sessionId: newId(), generation: 7, secret }, { sessionId, generation: 8, secret }, { sessionId, generation: 7, secret: newSecret() }]) {
    t.notSame(codec.decode(codec.encode(other))?.successors, read?.successors)
  }
})

t.test('with the keys rotated, in either order of the list, the first successor is the same and travels under the newest key', async (t) => {
  const before = codec.decode(token)?.successors[0]
  for (const keys of [[A, B], [B, A], [C, B, A]]) {
    const rotated = new RefreshTokenCodec(keys)
    const read = rotated.decode(token)
    t.same(read?.successors[0], before)
    t.equal(read?.successors.length, keys.length)
    const sent = rotated.encode({ sessionId, generation: 8, secret: read?.successors[0].secret ?? secret })
    t.ok(new RefreshTokenCodec(keys.slice(0, 1)).decode(sent), 'the newest key alone reads what is sent')
    t.equal(new RefreshTokenCodec(keys.slice(1)).decode(sent), null, 'the others do not')
  }
})

t.test('two texts of one token, of two keys, have the same successors, each its own key\'s first', async (t) => {
  const [old, young] = [new RefreshTokenCodec([A, B]), new RefreshTokenCodec([B, A])]
  const texts = [old, young].map((codec) => codec.encode({ sessionId, generation: 7, secret }))
  t.not(texts[0], texts[1])
  const seen = [old, young].flatMap((codec) => texts.map((text) => codec.decode(text)?.successors.map((next) => next.secret.toString('hex')) ?? []))
  for (const successors of seen) t.strictSame(successors.toSorted(), seen[0]?.toSorted())
  t.strictSame(seen[0], seen[2], 'whatever the order of the keys')
  t.strictSame(seen[1], seen[0]?.toReversed())
})

t.test('a token of a key that is no longer configured is none', async (t) => {
  t.equal(new RefreshTokenCodec([B, C]).decode(token), null)
})

t.test('two keys make different tokens of the same facts, and different successors', async (t) => {
  const other = new RefreshTokenCodec([B])
  const text = other.encode({ sessionId, generation: 7, secret })
  t.not(text, token)
  t.notSame(other.decode(text)?.successors, codec.decode(token)?.successors)
})

t.test('the key id says nothing of the key: it is no part and no plain hash of it or of a key derived from it', async (t) => {
  const id = Buffer.from(token.slice(3), 'base64url').subarray(1, 5)
  for (const name of ['mac', 'successor', 'key id']) {
    const derived = deriveKey(A, 'refresh token', name)
    t.notOk(derived.includes(id), name)
  }
  t.notOk(A.includes(id))
  t.notSame(hashSecret(A).subarray(0, 4), id)
})
