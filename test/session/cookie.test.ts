import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { encodeCredential, newId, newSecret } from '../../src/core/credential.js'
import { deriveKey } from '../../src/core/keys.js'
import { createSealer } from '../../src/plugins/sealer.js'
import { createCookieCodec, readCookies } from '../../src/session/cookie.js'
import { Browser, NAME, openApp, setCookies } from '../helpers/session-app.js'

const [KEY, OLD, SEAL, OLD_SEAL] = [randomBytes(32), randomBytes(32), randomBytes(32), randomBytes(32)]
const credential = { id: newId(), secret: newSecret(), issuedAt: 1_900_000_000_000, browserSession: false, defaultLife: false }
const codec = (keys: readonly Buffer[], cookieName = NAME) => createCookieCodec({ cookieName, keys, sealer: undefined })
const sealed = async (keys: readonly Buffer[], encryptionKey: readonly Buffer[], cookieName = NAME, absoluteMaxAge = 100) =>
  createCookieCodec({ cookieName, keys, sealer: await createSealer({ encryptionKey, cookieName, absoluteMaxAge }) })

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const modes = { signed: codec([KEY]), sealed: await sealed([KEY], [SEAL]) }

for (const [mode, { encode, decode }] of Object.entries(modes)) {
  const value = encode(credential)

  t.test(`${mode}: a cookie value gives back the credential`, async (t) => {
    t.match(decode(value), { credential: { ...credential, secret: Buffer.from(credential.secret) }, renew: false })
  })

  t.test(`${mode}: forged, by any one character changed, left out or doubled`, async (t) => {
    for (let at = 0; at < value.length; at++) {
      const [head, tail] = [value.slice(0, at), value.slice(at + 1)]
      for (const char of [...ALPHABET, '.', '=', '+', '/', ' ', '%', '"', '\0', 'ä']) {
        if (char !== value[at] && decode(head + char + tail) !== null) t.fail(`character ${at} as ${char}`)
      }
      if (decode(head + tail) !== null) t.fail(`without character ${at}`)
      if (decode(head + value[at] + value[at] + tail) !== null) t.fail(`character ${at} doubled`)
      if (decode(head) !== null) t.fail(`cut at ${at}`)
      if (decode(value.slice(at + 1)) !== null) t.fail(`from ${at}`)
    }
    t.pass('all refused')
  })

  t.test(`${mode}: forged, by any one bit of its bytes flipped`, async (t) => {
    const parts = value.split('.').map((part) => Buffer.from(part, 'base64url'))
    parts.forEach((part, which) => {
      for (let bit = 0; bit < part.length * 8; bit++) {
        const flipped = Buffer.from(part)
        flipped.writeUInt8((flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3)
        if (decode(parts.map((one, index) => (index === which ? flipped : one).toString('base64url')).join('.')) !== null) t.fail(`bit ${bit} of part ${which}`)
      }
    })
    t.pass('all refused')
  })

  t.test(`${mode}: forged, by other spellings of the same bytes, and by text before and after`, async (t) => {
    const base64 = value.replaceAll('-', '+').replaceAll('_', '/')
    const spellings = [
      value + '=', value + '==', value.replace('.', '=.'), value + '.', '.' + value, value + value, value + '.' + value, `"${value}"`, ` ${value}`, `${value} `, value + '\n', value + '\0', encodeURIComponent(value).replace('.', '%2E'),
      value.replace('.', ';'), value.replace('.', ','), value.replace('.', '..'), value.replace('.', ''), value.split('.').toReversed().join('.'), value.toUpperCase(), value.toLowerCase(), `s:${value}`,
      Buffer.from(value).toString('base64url'), '', '.', '..', 'null', 'undefined', '[object Object]'
    ]
    if (base64 !== value) spellings.push(base64)
    for (const spelling of spellings) t.equal(decode(spelling), null, JSON.stringify(spelling).slice(0, 30))
    const last = value.at(-1) ?? ''
    for (const char of ALPHABET) if (char !== last) t.equal(decode(value.slice(0, -1) + char), null, 'a last character that decodes to the same bytes')
  })

  t.test(`${mode}: whatever text comes, decode answers and does not throw`, async (t) => {
    fc.assert(fc.property(fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.stringMatching(/^[A-Za-z0-9_-]{72}\.[A-Za-z0-9_-]{43}$/),
      fc.stringMatching(/^[A-Za-z0-9_-]{100,220}\.[A-Za-z0-9_-]{32}$/)
    ), (text) => decode(text) === null), { numRuns: 1_000 })
    t.pass('all refused')
  })

  t.test(`${mode}: name and value stay under 4,096 characters, attributes included, at the longest`, async (t) => {
    const name = 'x'.repeat(64)
    const long = mode === 'signed' ? codec([KEY], name) : await sealed([KEY], [SEAL], name)
    const size = name.length + 1 + long.encode({ ...credential, browserSession: true, issuedAt: (2 ** 40 - 1) * 1000 }).length
    t.ok(size <= 4096)
    t.ok(size < 500, String(size))
  })

  t.test(`${mode}: a value needs no encoding in a Cookie header`, async (t) => {
    t.match(value, /^[A-Za-z0-9_.-]+$/)
  })
}

t.test('forged: a MAC of nothing, by the raw key, by a key for another purpose, by another hash', async (t) => {
  const text = encodeCredential(credential)
  const sign = (key: Buffer, data: string, hash = 'sha256'): string => createHmac(hash, key).update(data).digest('base64url')
  const derived = deriveKey(KEY, 'session cookie', NAME)
  const { decode } = codec([KEY])
  t.ok(decode(`${text}.${sign(derived, text)}`), 'the right one')
  for (const mac of [sign(derived, ''), sign(KEY, text), sign(KEY, ''), sign(deriveKey(KEY, 'session cookie seal', NAME), text), sign(deriveKey(KEY, 'session cookie', 'sid'), text), sign(derived, text, 'sha512').slice(0, 43), sign(derived, `${text}.`), sign(derived, text, 'sha1')]) {
    t.equal(decode(`${text}.${mac}`), null)
  }
  const [other = ''] = codec([KEY]).encode({ ...credential, secret: newSecret() }).split('.')
  t.equal(decode(`${other}.${sign(derived, text)}`), null, 'the MAC of another credential')
})

t.test('forged: a value moved from a cookie of another name', async (t) => {
  for (const [from, to] of [['sid', NAME], [NAME, 'sid'], ['a', 'b'], ['ab', 'a'], ['a', 'ab']] as const) {
    t.equal(codec([KEY], to).decode(codec([KEY], from).encode(credential)), null)
    t.equal((await sealed([KEY], [SEAL], to)).decode((await sealed([KEY], [SEAL], from)).encode(credential)), null)
  }
})

t.test('V14: with keys [new, old] the new one signs, both verify, and what the old one made is to be renewed', async (t) => {
  const both = codec([KEY, OLD])
  t.match(both.decode(codec([OLD]).encode(credential)), { renew: true })
  t.match(both.decode(codec([KEY]).encode(credential)), { renew: false })
  const fresh = both.encode(credential)
  t.ok(codec([KEY]).decode(fresh))
  t.equal(codec([OLD]).decode(fresh), null)
})

t.test('V13: in sealed mode nothing that is only signed is accepted, and the reverse', async (t) => {
  t.equal(modes.sealed.decode(modes.signed.encode(credential)), null)
  t.equal(modes.signed.decode(modes.sealed.encode(credential)), null)
  const sealer = await createSealer({ encryptionKey: SEAL, cookieName: NAME, absoluteMaxAge: 100 })
  t.equal(modes.sealed.decode(sealer.seal(encodeCredential(credential))), null, 'sealed, but not signed')
  t.equal(modes.sealed.decode(sealer.seal(codec([OLD]).encode(credential))), null, 'sealed, but signed with another key')
  t.equal((await sealed([KEY], [OLD_SEAL])).decode(modes.sealed.encode(credential)), null, 'sealed with another key')
})

t.test('sealed: with keys [new, old] the new one seals, both open, and what the old one made is to be renewed', async (t) => {
  const both = await sealed([KEY], [SEAL, OLD_SEAL])
  t.match(both.decode((await sealed([KEY], [OLD_SEAL])).encode(credential)), { renew: true })
  t.match(both.decode(modes.sealed.encode(credential)), { renew: false })
  const fresh = both.encode(credential)
  t.match(modes.sealed.decode(fresh), { renew: false })
  t.equal((await sealed([KEY], [OLD_SEAL])).decode(fresh), null)
  t.match((await sealed([KEY, OLD], [SEAL])).decode((await sealed([OLD], [SEAL])).encode(credential)), { renew: true })
})

t.test('sealed: no nonce comes twice, and the same credential never looks the same', async (t) => {
  const values = Array.from({ length: 20_000 }, () => modes.sealed.encode(credential))
  t.equal(new Set(values).size, values.length)
  t.equal(new Set(values.map((value) => value.split('.')[1])).size, values.length)
})

t.test('sealed: nothing of the credential can be read', async (t) => {
  const value = modes.sealed.encode(credential)
  const bytes = Buffer.from(value.split('.')[0] ?? '', 'base64url').toString('latin1')
  for (const part of [credential.secret.toString('latin1'), encodeCredential(credential), credential.id]) t.notOk(bytes.includes(part) || value.includes(part))
})

t.test('10,000 secrets: 32 bytes each, no two alike, no position fixed', async (t) => {
  const secrets = Array.from({ length: 10_000 }, () => newSecret())
  t.equal(new Set(secrets.map((secret) => secret.toString('hex'))).size, secrets.length)
  for (let at = 0; at < 32; at++) {
    const counts = new Array<number>(256).fill(0)
    for (const secret of secrets) counts[secret[at] ?? 0] = (counts[secret[at] ?? 0] ?? 0) + 1
    const expected = secrets.length / 256
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    t.ok(chi < 400, 'chi-square of 255 degrees: over 400 in one of 10⁸ runs')
  }
})

t.test('readCookies finds what a plain reading of the header finds', async (t) => {
  const space = fc.stringMatching(/^[ \t]{0,3}$/)
  const name = fc.oneof(fc.constantFrom('sid', 'sid2', 'xsid', 'SID', 'si', 's%69d', 'sid sid', '', 'sid=', '__proto__'), fc.stringMatching(/^[a-z]{0,4}$/))
  const value = fc.oneof(fc.constantFrom('', 'v', 'sid=v', '"v"', 'a b', 'a,b', 'a=b', '%zz', 'sid', '\u00a0v\u00a0', ' \u00e9'), fc.string({ maxLength: 8 }).map((text) => text.replaceAll(';', '')))
  const pair = fc.tuple(space, name, fc.constantFrom('=', ' =', ''), space, value, space).map((parts) => parts.join(''))
  fc.assert(fc.property(fc.array(pair, { maxLength: 8 }).map((pairs) => pairs.join(';')), (header) => {
    const [found, expected] = [readCookies(header, 'sid'), oracle(header, 'sid')]
    return JSON.stringify(found) === JSON.stringify(expected)
  }), { numRuns: 5_000 })
  t.strictSame(readCookies(undefined, 'sid'), [])
})

t.test('readCookies: names with characters that mean something to a regular expression', async (t) => {
  for (const name of ['a.b', 'a*b', 'a+b', '^a', '$a', 'a|b', '__Host-sid']) {
    t.strictSame(readCookies(`axb=1; ${name}=2; b=3`, name), ['2'])
  }
})

t.test('readCookies takes time in proportion to the header', async (t) => {
  for (const header of ['sid='.repeat(200_000), `${' '.repeat(400_000)}sid=${' '.repeat(400_000)}`, ' sid='.repeat(160_000), ';'.repeat(800_000), 'sid=;'.repeat(160_000)]) {
    const startedAt = performance.now()
    readCookies(header, 'sid')
    t.ok(performance.now() - startedAt < 2_000)
  }
})

for (const [mode, options] of Object.entries({ signed: {}, sealed: { encryptionKey: SEAL } })) {
  t.test(`${mode}: key rotation over HTTP re-issues what the old key made, and the new one alone verifies it`, async (t) => {
    const before = await openApp(t, { options: { ...options, authKey: OLD } })
    const browser = new Browser(before.app)
    await browser.post('/login/ada')
    const during = await openApp(t, { options: { ...options, authKey: [KEY, OLD], store: before.store } })
    const rotated = new Browser(during.app, browser.cookies)
    const answer = await rotated.get('/')
    t.equal(answer.json().userId, 'ada')
    t.equal(setCookies(answer, NAME).length, 1)
    t.strictSame(setCookies(await rotated.get('/')), [], 'once')
    const after = await openApp(t, { options: { ...options, authKey: KEY, store: before.store } })
    t.equal((await new Browser(after.app, rotated.cookies).session()).userId, 'ada')
    t.equal((await new Browser(after.app, browser.cookies).session()).userId, null, 'the one that was not renewed')
  })
}

t.test('sealed over HTTP: a signed cookie of before is a stranger\'s, without a query', async (t) => {
  const { app, store } = await openApp(t, { options: { authKey: KEY } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  const { app: sealedApp } = await openApp(t, { options: { authKey: KEY, encryptionKey: SEAL, store } })
  store.takeCalls()
  const answer = await new Browser(sealedApp, browser.cookies).get('/')
  t.equal(answer.json().userId, null)
  t.strictSame(setCookies(answer), [])
  t.strictSame(store.takeCalls(), [])
})

t.test('sealed over HTTP: sign in, set, sign out', async (t) => {
  const { app } = await openApp(t, { options: { encryptionKey: [SEAL, OLD_SEAL] } })
  const browser = new Browser(app)
  await browser.post('/login/ada')
  await browser.post('/set/a/1')
  t.match(browser.cookies.get(NAME), /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{32}$/)
  t.match(await browser.session(), { userId: 'ada', values: { a: '1' } })
  const stolen = browser.copy()
  await browser.post('/destroy')
  t.equal((await stolen.session()).userId, null, 'V04: a cookie of before the logout, replayed')
})

t.test('sealed: a cookie of day 29 still opens, by a clock that is right', async (t) => {
  const day = 86_400
  const { encode, decode } = await sealed([KEY], [SEAL], NAME, 30 * day)
  const now = Date.now()
  const clock = (days: number): void => { t.intercept(Date, 'now', { value: () => now + days * day * 1000 }) }
  const value = encode(credential)
  clock(29)
  t.ok(decode(value))
  clock(30.9)
  t.ok(decode(value), 'a day longer than any row lives')
  clock(31.1)
  t.equal(decode(value), null)
})

/** Reads a header the slow way: split, take spaces and tabs off the ends, compare the name. */
function oracle (header: string, name: string): string[] {
  const strip = (text: string): string => text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
  return header.split(';').map(strip).filter((pair) => pair.startsWith(`${name}=`)).map((pair) => strip(pair.slice(name.length + 1)))
}
