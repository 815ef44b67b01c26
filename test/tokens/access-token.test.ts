import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import fc from 'fast-check'
import { exportJWK, SignJWT } from 'jose'
import t from 'tap'
import { newId } from '../../src/core/credential.js'
import { AccessTokens, type AccessTokenOptions } from '../../src/tokens/access-token.js'
import { parseSigningKeys } from '../../src/tokens/signing-keys.js'
import type { LineageFacts } from '../../src/tokens/store.js'

const NOON = Date.parse('2035-06-01T12:00:00.123Z')
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keys = parseSigningKeys(privateKey)
const PARTIES = { issuer: 'https://id.example', audience: 'https://api.example', clientId: 'app' }
const make = (options: Partial<AccessTokenOptions> = {}): AccessTokens => new AccessTokens({ ...PARTIES, keys, lifeSeconds: 900, ...options })
const tokens = make()

const facts = (over: Partial<LineageFacts> = {}): LineageFacts => ({
  sessionId: newId(),
  userId: 'ada',
  claims: { isAdmin: true, roles: ['editor'] },
  authenticatedAt: NOON - 60_000,
  expiresAt: NOON + 86_400_000,
  generation: 3,
  tokenHash: new Uint8Array(32),
  deliveredAt: NOON,
  at: NOON,
  issuedAt: NOON,
  ...over
})

const decoded = (text: string, segment: number): Record<string, unknown> => JSON.parse(Buffer.from(text.split('.')[segment] ?? '', 'base64url').toString())
const part = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token with any header and payload, signed by the real key. */
const forge = (header: unknown, payload: unknown, key = privateKey): string => {
  const body = `${part(header)}.${part(payload)}`
  return `${body}.${sign(null, Buffer.from(body), key).toString('base64url')}`
}
const { kid } = keys.signing
const HEADER = { alg: 'EdDSA', kid, typ: 'at+jwt' }
const CLAIMS = {
  iss: PARTIES.issuer,
  sub: 'ada',
  aud: PARTIES.audience,
  client_id: 'app',
  iat: NOON / 1000,
  exp: NOON / 1000 + 900,
  auth_time: NOON / 1000 - 60,
  jti: newId(),
  sid: newId(),
  gen: 3,
  is_admin: true,
  roles: ['editor']
}
const accepts = async (text: string, verifier = make()): Promise<boolean> => await verifier.verify(text, NOON) !== null

t.test('an access token says what RFC 9068 asks for, and of the session what is needed', async (t) => {
  const given = facts()
  const { text, lifeSeconds, expiresAt } = await tokens.sign(given, { confirms: true })
  t.strictSame(decoded(text, 0), HEADER)
  const claims = decoded(text, 1)
  t.strictSame(claims, {
    iss: PARTIES.issuer,
    sub: 'ada',
    aud: PARTIES.audience,
    client_id: 'app',
    iat: NOON / 1000,
    exp: expiresAt / 1000,
    auth_time: NOON / 1000 - 60,
    jti: claims['jti'],
    sid: given.sessionId,
    gen: 3,
    is_admin: true,
    roles: ['editor']
  })
  t.equal(expiresAt, NOON + lifeSeconds * 1000)
  t.strictSame(await tokens.verify(text, NOON), {
    userId: 'ada',
    isAdmin: true,
    roles: ['editor'],
    sessionId: given.sessionId,
    generation: 3,
    issuedAt: NOON,
    expiresAt,
    authenticatedAt: new Date(NOON - 60_000),
    confirms: true
  })
})

t.test('a token that is no evidence says so, and one without claims or sign-in time is a plain user\'s', async (t) => {
  const { text } = await tokens.sign(facts({ claims: {}, authenticatedAt: null }), { confirms: false })
  t.match(decoded(text, 1), { nc: true, is_admin: false, roles: [] })
  t.notOk('auth_time' in decoded(text, 1))
  t.match(await tokens.verify(text, NOON), { confirms: false, isAdmin: false, roles: [], authenticatedAt: null })
  const odd = await tokens.sign(facts({ claims: JSON.parse('{"isAdmin":"yes","roles":["a",5,null]}') }), { confirms: true })
  t.match(await tokens.verify(odd.text, NOON), { isAdmin: false, roles: ['a'] }, 'claims that a hand in the database has broken give no rights')
})

t.test('a life is drawn from the last 5 % in whole seconds, is at least one, and never past the session\'s end', async (t) => {
  const lives = new Set<number>()
  for (let n = 0; n < 200; n++) lives.add((await tokens.sign(facts(), { confirms: true })).lifeSeconds)
  t.ok(lives.size > 10, 'lives differ')
  for (const life of lives) t.ok(Number.isInteger(life) && life >= 855 && life <= 900, `${life} s`)
  t.equal((await make({ lifeSeconds: 1 }).sign(facts(), { confirms: true })).lifeSeconds, 1)
  t.equal((await tokens.sign(facts({ expiresAt: NOON + 10_900 }), { confirms: true })).lifeSeconds, 10)
  const last = await tokens.sign(facts({ expiresAt: NOON + 900 }), { confirms: true })
  t.equal(last.lifeSeconds, 0, 'a session that ends within a second gives a token that has ended')
  t.equal(await tokens.verify(last.text, NOON), null)
})

t.test('a token is dead at exp, to the millisecond, remembered or not', async (t) => {
  const { text, expiresAt } = await tokens.sign(facts(), { confirms: true })
  t.ok(await tokens.verify(text, expiresAt - 1))
  t.ok(tokens.known(text, expiresAt - 1))
  t.equal(tokens.known(text, expiresAt), null)
  t.equal(await tokens.verify(text, expiresAt), null)
  t.equal(await make().verify(text, expiresAt), null)
})

t.test('EdDSA, ES256 and HS256 sign and verify; each token verifies under its own key alone, and while that is listed', async (t) => {
  const second = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  for (const given of [privateKey, second, randomBytes(32)]) {
    const ring = parseSigningKeys(given)
    const { text } = await make({ keys: ring }).sign(facts(), { confirms: true })
    t.equal(decoded(text, 0)['alg'], ring.signing.algorithm)
    t.ok(await accepts(text, make({ keys: ring })))
    t.notOk(await accepts(text, make({ keys: parseSigningKeys(generateKeyPairSync('ed25519').privateKey) })))
  }
  const { text } = await tokens.sign(facts(), { confirms: true })
  t.ok(await accepts(text, make({ keys: parseSigningKeys([second, privateKey]) })))
  t.ok(await accepts(text, make({ keys: parseSigningKeys([second, publicKey]) })))
  t.ok(await accepts((await make({ keys: parseSigningKeys([second, privateKey]) }).sign(facts(), { confirms: true })).text, make({ keys: parseSigningKeys([privateKey, second]) })), 'published before it signs')
})

t.test('J01: the algorithm is the key\'s: none, confusion and every other are refused', async (t) => {
  t.ok(await accepts(forge(HEADER, CLAIMS)), 'the forge works where nothing is wrong')
  for (const alg of ['none', 'None', 'nOnE', '', 'HS256', 'HS384', 'RS256', 'ES256', 'PS256', 'Ed25519', 'eddsa', null, 5, ['EdDSA']]) {
    t.notOk(await accepts(forge({ ...HEADER, alg }, CLAIMS)), JSON.stringify(alg))
  }
  t.notOk(await accepts(`${part({ ...HEADER, alg: 'none' })}.${part(CLAIMS)}.`), 'no signature')
  for (const secret of [publicKey.export({ format: 'pem', type: 'spki' }), publicKey.export({ format: 'der', type: 'spki' }), '']) {
    const body = `${part({ ...HEADER, alg: 'HS256' })}.${part(CLAIMS)}`
    t.notOk(await accepts(`${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`), 'an HMAC with the public key, or with none')
  }
})

t.test('J02, J03: keys in the token are not looked at, and a kid is looked up exactly', async (t) => {
  const thief = generateKeyPairSync('ed25519')
  const jwk = await exportJWK(thief.publicKey)
  t.notOk(await accepts(forge({ ...HEADER, jwk }, CLAIMS, thief.privateKey)))
  t.notOk(await accepts(forge({ ...HEADER, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x' }, CLAIMS, thief.privateKey)))
  for (const other of ['', '../../dev/null', "' OR 1=1 --", '__proto__', 'constructor', kid.toLowerCase(), ` ${kid}`, 5, null, undefined, [kid]]) {
    t.notOk(await accepts(forge({ ...HEADER, kid: other }, CLAIMS)), String(other))
  }
  const hs = make({ keys: parseSigningKeys(randomBytes(32)) })
  const body = `${part({ alg: 'HS256', kid: '', typ: 'at+jwt' })}.${part(CLAIMS)}`
  t.notOk(await accepts(`${body}.${createHmac('sha256', '').update(body).digest('base64url')}`, hs), 'CVE-2026-44351: an empty key')
})

t.test('J04, J05, J12: critical extensions, other types and compression are refused', async (t) => {
  for (const more of [{ crit: ['x'], x: 1 }, { crit: [] }, { crit: ['b64'], b64: false }, { b64: true }, { zip: 'DEF' }]) t.notOk(await accepts(forge({ ...HEADER, ...more }, CLAIMS)), JSON.stringify(more))
  for (const typ of ['JWT', 'dpop+jwt', 'at+jwt ', 'application/jwt', '', null, 5, undefined]) t.notOk(await accepts(forge({ ...HEADER, typ }, CLAIMS)), String(typ))
  for (const typ of ['AT+JWT', 'application/at+jwt', 'Application/AT+JWT']) t.ok(await accepts(forge({ ...HEADER, typ }, CLAIMS)), typ)
})

t.test('J06: issuer and audience are exact', async (t) => {
  for (const iss of [undefined, null, '', [PARTIES.issuer], `${PARTIES.issuer}/`, PARTIES.issuer.slice(0, -1), PARTIES.issuer.toUpperCase(), { a: 1 }]) {
    t.notOk(await accepts(forge(HEADER, { ...CLAIMS, iss })), JSON.stringify(iss))
  }
  for (const aud of [undefined, null, '', [], `${PARTIES.audience}/`, 'https://api', [[PARTIES.audience]], [PARTIES.audience, 5], { 0: PARTIES.audience }]) {
    t.notOk(await accepts(forge(HEADER, { ...CLAIMS, aud })), JSON.stringify(aud))
  }
  t.ok(await accepts(forge(HEADER, { ...CLAIMS, aud: ['other', PARTIES.audience] })))
})

t.test('J07: without any one required claim, or with it of another type, a token is refused', async (t) => {
  for (const claim of ['iss', 'sub', 'aud', 'client_id', 'iat', 'exp', 'jti', 'sid', 'gen', 'is_admin', 'roles']) {
    t.notOk(await accepts(forge(HEADER, { ...CLAIMS, [claim]: undefined })), `without ${claim}`)
    for (const value of [null, {}, '', -1, [5]]) t.notOk(await accepts(forge(HEADER, { ...CLAIMS, [claim]: value })), `${claim}: ${JSON.stringify(value)}`)
  }
  for (const more of [{ sid: 'x' }, { sid: newId().toUpperCase() }, { gen: 1.5 }, { gen: 0 }, { auth_time: '1' }, { nc: false }, { nc: 1 }]) t.notOk(await accepts(forge(HEADER, { ...CLAIMS, ...more })), JSON.stringify(more))
})

t.test('J08, J09: times that are no numbers, not of now, or of a life over an hour are refused', async (t) => {
  const now = NOON / 1000
  for (const more of [
    { exp: now }, { exp: now - 1 }, { exp: String(now + 900) }, { exp: 1e300 }, { exp: now + 3601 }, { iat: now + 61, exp: now + 900 }, { iat: now - 3600, exp: now + 1 },
    { iat: String(now) }, { iat: new Date(NOON).toISOString() }, { nbf: now + 1 }, { nbf: String(now) }, { nbf: null }, { iat: NOON, exp: NOON + 900_000 }, { exp: now + 10 * 365 * 86_400 }, { iat: now + 30, exp: now + 20 }
  ]) t.notOk(await accepts(forge(HEADER, { ...CLAIMS, ...more })), JSON.stringify(more))
  for (const more of [{ iat: now + 60, exp: now + 900 }, { nbf: now }, { exp: now + 3600 }, { exp: now + 0.001 }]) t.ok(await accepts(forge(HEADER, { ...CLAIMS, ...more })), JSON.stringify(more))
  const text = JSON.stringify(CLAIMS)
  t.notOk(await accepts(forge(HEADER, text.replace(/"exp":[\d.]+/, '"exp":1e400'))))
})

t.test('J11: a token has one text: other segments, spellings, spaces and names that stand twice are refused', async (t) => {
  const genuine = forge(HEADER, CLAIMS)
  const [header = '', payload = '', signature = ''] = genuine.split('.')
  for (const other of [
    '', '.', '..', '...', `${genuine}.`, `.${genuine}`, `${genuine}.${signature}`, `${header}.${payload}`, `${genuine}=`, ` ${genuine}`, `${genuine}\n`, `${header}..${signature}`,
    `${header}=.${payload}.${signature}`, `${header}.${payload} .${signature}`, `${header}.${payload}.${signature.slice(0, -1)}`, genuine.replaceAll('-', '+').replaceAll('_', '/') + '+'
  ]) t.notOk(await accepts(other), other.slice(0, 20))
  const last = signature.slice(-1)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const char of alphabet) if (char !== last) t.notOk(await accepts(genuine.slice(0, -1) + char), 'spare bits of the signature')
  const text = JSON.stringify(CLAIMS)
  for (const body of [text.replace('{', '{"sub":"eve",'), text.replace('}', ',"sub":"eve"}'), `${text} `, text.replace(':', ': '), text.replace('ada', '\\u0061da'), `[${text}]`, '"x"', 'null', '{', '']) {
    t.notOk(await accepts(forge(HEADER, body)), body.slice(0, 30))
  }
  const head = JSON.stringify(HEADER)
  for (const other of [head.replace('{', '{"alg":"none",'), `${head} `, '[]', 'null', '{']) t.notOk(await accepts(forge(other, CLAIMS)), other)
})

t.test('J11: nonsense is refused and never an exception', async () => {
  const genuine = forge(HEADER, CLAIMS)
  await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map((parts) => parts.join('.')), fc.json().map((json) => `${part(json)}.${part(json)}.AAAA`)), async (text) => !await accepts(text)))
  await fc.assert(fc.asyncProperty(fc.nat(genuine.length - 1), fc.string({ minLength: 1, maxLength: 1 }), async (at, char) => char === genuine[at] || !await accepts(genuine.slice(0, at) + char + genuine.slice(at + 1))))
})

t.test('J12: what is over 8 KiB is refused before it is parsed, and is not made', async (t) => {
  const started = performance.now()
  t.notOk(await accepts(`${forge(HEADER, CLAIMS)}${'A'.repeat(1_000_000)}`))
  t.ok(performance.now() - started < 50)
  t.notOk(await accepts(forge(HEADER, { ...CLAIMS, roles: ['x'.repeat(8000)] })))
  await t.rejects(tokens.sign(facts({ claims: { roles: ['x'.repeat(8000)] } }), { confirms: true }), { code: 'ERR_SESSION_VALUE' })
})

t.test('J10: an access token with a bad signature is refused whatever it says', async (t) => {
  const { text } = await tokens.sign(facts(), { confirms: true })
  const [header, , signature] = text.split('.')
  t.notOk(await accepts(`${header}.${part({ ...CLAIMS, sub: 'eve' })}.${signature}`))
})

t.test('a token is remembered under its exact text: no other text is known by it, and of too many the one that was not used longest goes', async (t) => {
  const small = make({ remembered: 2 })
  const [a, b, c] = await Promise.all([1, 2, 3].map(async (generation) => (await small.sign(facts({ generation }), { confirms: true })).text))
  for (const text of [a, b]) t.ok(await small.verify(text ?? '', NOON))
  t.ok(small.known(a ?? '', NOON))
  for (const other of [`${a}=`, ` ${a}`, `${a}\n`, a?.slice(0, -1)]) t.equal(small.known(other ?? '', NOON), null)
  t.ok(await small.verify(c ?? '', NOON))
  t.equal(small.known(b ?? '', NOON), null)
  t.ok(small.known(a ?? '', NOON))
  t.ok(small.known(c ?? '', NOON))
  t.equal(small.known(forge(HEADER, { ...CLAIMS, exp: 1 }), NOON), null, 'what was refused is not remembered')
})

t.test('a token that jose signs for us by the same rules is accepted: the format is the standard\'s', async (t) => {
  const { iat: _iat, exp: _exp, ...rest } = CLAIMS
  const text = await new SignJWT(rest).setProtectedHeader({ typ: 'at+jwt', alg: 'EdDSA', kid }).setIssuedAt(Math.floor(NOON / 1000)).setExpirationTime(Math.floor(NOON / 1000) + 900).sign(privateKey)
  t.ok(await accepts(text))
})
