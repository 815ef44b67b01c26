import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import t from 'tap'
import { parseSigningKeys } from '../../src/tokens/signing-keys.js'

const pem = (key: KeyObject): string => key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }).toString()
const ed = (): KeyObject => generateKeyPairSync('ed25519').privateKey
const p256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

const [first, second, third] = [ed(), p256(), ed()]
const secret = randomBytes(32)
const kids = (given: unknown): readonly string[] => [...parseSigningKeys(given).verifying.keys()]

t.test('a PEM, several in one text, with written-out line ends, as bytes, or key objects: the same keys in the same order', async (t) => {
  const expected = kids([first, second])
  t.equal(expected.length, 2)
  for (const given of [
    [pem(first), pem(second)], pem(first) + pem(second), `${pem(first)}\n\n  ${pem(second)}\n`, (pem(first) + pem(second)).replaceAll('\n', '\\n'),
    [Buffer.from(pem(first)), second], [pem(first) + pem(second)], ` \n${pem(first)}${pem(second)}`, (pem(first) + pem(second)).replaceAll('\n', '\r\n')
  ]) t.strictSame(kids(given), expected)
})

t.test('Ed25519 makes EdDSA and P-256 makes ES256; the first key signs, a later one may be public', async (t) => {
  const keys = parseSigningKeys([pem(second), pem(createPublicKey(first))])
  t.equal(keys.signing.algorithm, 'ES256')
  t.equal(keys.signing.key.type, 'private')
  t.strictSame([...keys.verifying.values()].map(({ algorithm, key }) => [algorithm, key.type]), [['ES256', 'public'], ['EdDSA', 'public']])
})

t.test('RFC 7638: the kid is the thumbprint of the key, as jose computes it; the key set holds public members alone', async (t) => {
  const { keySet, signing } = parseSigningKeys([first, second, createPublicKey(third)])
  t.equal(keySet.keys.length, 3)
  t.equal(keySet.keys[0]?.['kid'], signing.kid)
  for (const [index, key] of [first, second, third].entries()) {
    const jwk = createPublicKey(key).export({ format: 'jwk' })
    const kid = await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0])
    t.strictSame(keySet.keys[index], { ...jwk, kid, alg: jwk.kty === 'OKP' ? 'EdDSA' : 'ES256', use: 'sig' })
  }
  const text = JSON.stringify(keySet)
  for (const key of [first, second]) t.notOk(text.includes(String(key.export({ format: 'jwk' }).d)))
})

t.test('what is no PEM is a symmetric key for HS256, its kid says nothing of it, and no key set shows it', async (t) => {
  for (const given of [secret, secret.toString('base64url'), createSecretKey(secret), [secret.toString('hex'), randomBytes(48)]]) {
    const { signing, keySet, symmetric } = parseSigningKeys(given)
    t.equal(signing.algorithm, 'HS256')
    t.strictSame(keySet, { keys: [] })
    t.ok(symmetric[0]?.equals(secret))
    t.equal(signing.kid, parseSigningKeys(secret).signing.kid)
  }
})

t.test('J15, B13: what is weak, mixed, unfit, repeated or no key is refused by the name of the option, and never printed', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const sec1 = p256().export({ format: 'pem', type: 'sec1' }).toString()
  const locked = ed().export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
  const cases: Record<string, [unknown, RegExp]> = {
    nothing: [undefined, /required/],
    'an empty text': ['', /required/],
    'an empty list': [[], /required/],
    'an empty entry': [[''], /signingKeys/],
    'a missing entry': [[pem(first), undefined], /signingKeys/],
    'a number': [5, /signingKeys/],
    RSA: [rsa, /Ed25519 or P-256/],
    'RSA as PEM': [pem(rsa), /Ed25519 or P-256/],
    'P-384': [p384, /Ed25519 or P-256/],
    secp256k1: [pem(k1), /Ed25519 or P-256/],
    Ed448: [generateKeyPairSync('ed448').privateKey, /Ed25519 or P-256/],
    X25519: [generateKeyPairSync('x25519').privateKey, /Ed25519 or P-256/],
    'a public key first': [pem(createPublicKey(first)), /private key/],
    'a public key first in a list': [[createPublicKey(first), second], /private key/],
    'a mixture': [[first, secret], /mix/],
    'a mixture the other way': [[secret.toString('hex'), pem(first)], /mix/],
    'a public key after a secret (algorithm confusion)': [[secret, pem(createPublicKey(first))], /mix/],
    'the same key twice': [[first, first], /twice/],
    'a key and its public half': [[pem(first), pem(createPublicKey(first))], /twice/],
    'the same secret twice': [[secret, secret.toString('base64')], /twice/],
    'a short secret': [randomBytes(31), /32 bytes/],
    'a short secret later': [[secret, randomBytes(16)], /32 bytes/],
    'a guessable secret': ['keyboard cat', /signingKeys/],
    SEC1: [sec1, /PKCS#8/],
    'an encrypted key': [locked, /PKCS#8/],
    'half a PEM': [pem(first).slice(0, 60), /PEM/],
    'a PEM and more': [`${pem(first)}tail`, /PEM/],
    'a PEM that holds nothing': ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /PEM/],
    'a public key in DER, as if it were a secret': [createPublicKey(second).export({ format: 'der', type: 'spki' }), /DER/],
    'a private key in DER': [second.export({ format: 'der', type: 'pkcs8' }), /DER/],
    'a public key in base64 without its lines': [createPublicKey(second).export({ format: 'der', type: 'spki' }).toString('base64'), /DER/]
  }
  for (const [what, [given, message]] of Object.entries(cases)) {
    try {
      parseSigningKeys(given)
      t.fail(`${what} was accepted`)
    } catch (error) {
      t.ok(error instanceof TypeError, what)
      t.match(String(error), /"signingKeys" option/, what)
      t.match(String(error), message, what)
      const parts = [given].flat().filter((part) => typeof part === 'string' && part.length > 20)
      for (const part of parts) t.notOk(String(error).includes(String(part).slice(40, 60)), `${what}: the message holds none of it`)
    }
  }
})

t.test('CVE-2023-48223: a PEM behind white space or another text is never taken for a secret', async (t) => {
  const text = pem(createPublicKey(first))
  for (const given of [` ${text}`, `\n\n${text}`, `\t${text}`]) t.throws(() => parseSigningKeys(given), { message: /private key/ })
  t.throws(() => parseSigningKeys(`x${text}`), { message: /PEM/ })
})
