import { hkdfSync, randomBytes } from 'node:crypto'
import t from 'tap'
import { deriveKey, parseKeys, rejectSharedKeys } from '../../src/core/keys.js'

const [A, B] = [randomBytes(32), randomBytes(32)]

const refused: Readonly<Record<string, unknown>> = {
  'B01 undefined': undefined,
  'B01 null': null,
  'B01 the empty text': '',
  'B01 an empty list': [],
  'B01 a list of an empty text': [''],
  'B01 a comma alone': ',',
  'B01 a comma at the end': `${A.toString('hex')},`,
  'B01 a number': 12345,
  'B01 a list of numbers': [...A],
  'B01 a function': () => A,
  'B01 an object': { key: A },
  'B01 31 bytes': A.subarray(1),
  'B01 31 bytes in hex': A.subarray(1).toString('hex'),
  'B01 31 bytes in base64': A.subarray(1).toString('base64'),
  'B01 31 bytes in base64url': A.subarray(1).toString('base64url'),
  'B01 a short one at the end of a list': [A, B, A.subarray(16)],
  'B01 a short one in comma text': `${A.toString('base64')},${B.subarray(8).toString('base64')}`,
  'B02 zeros': Buffer.alloc(32),
  'B02 15 distinct bytes': Buffer.from(Array.from({ length: 32 }, (_, n) => (n * n) % 15)),
  'B02 a block twice': Buffer.concat([A.subarray(16), A.subarray(16)]),
  'B02 a block three times': Buffer.concat([A.subarray(16), A.subarray(16), A.subarray(16)]),
  'B02 an ascending run': Buffer.from(Array.from({ length: 32 }, (_, n) => n)),
  'B02 an ascending run that wraps': Buffer.from(Array.from({ length: 32 }, (_, n) => (n + 250) & 255)),
  'B02 a descending run': Buffer.from(Array.from({ length: 32 }, (_, n) => 99 - n)),
  'B02 a run in steps': Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 7) & 255)),
  'B02 printable text as bytes': Buffer.from('aB3$efGh1jKlMn0pQrStUvWxYz!@#%^&'),
  'B02 printable text in base64': Buffer.from('aB3$efGh1jKlMn0pQrStUvWxYz!@#%^&').toString('base64'),
  'B02 words': 'thequickbrownfoxjumpsoverthelazydogagainand',
  'B02 capital words': 'THEQUICKBROWNFOXJUMPSOVERTHELAZYDOGAGAINAND',
  'B02 digits': '3141592653589793238462643383279502884197169',
  'B02 text that is no encoding': 'Tr0ub4dor&3 and then some more of it, please',
  'B03 secret': 'secret',
  'B03 changeme': 'changeme',
  'B03 change-me': 'change-me-please-change-me-please-Change-M3',
  'B03 keyboard cat': 'keyboard cat',
  'B03 auth-key': 'auth-key',
  'B03 enc-key': 'enc-key',
  'B03 a placeholder as bytes': Buffer.concat([Buffer.from('changeme'), A]),
  'B04 the same twice': [A, B, A],
  'B04 the same in two spellings': [A.toString('hex'), A.toString('base64url')],
  'B04 the same in comma text': `${A.toString('hex')},${A.toString('hex').toUpperCase()}`
}

const texts = (value: unknown): string[] => Array.isArray(value) ? value.flatMap(texts) : typeof value === 'string' ? value.split(',').filter((part) => part.length > 12) : value instanceof Uint8Array ? [Buffer.from(value).toString('hex'), Buffer.from(value).toString('base64'), Buffer.from(value).toString('latin1')] : []

for (const [title, given] of Object.entries(refused)) {
  t.test(`refused, without printing it: ${title}`, async (t) => {
    let error: unknown
    try { parseKeys('authKey', given) } catch (thrown) { error = thrown }
    t.ok(error instanceof TypeError)
    t.match(String(error), /"authKey" option/)
    const told = `${String(error)}${error instanceof Error ? error.stack?.split('\n')[0] ?? '' : ''}`
    for (const text of texts(given)) t.notOk(told.includes(text.slice(0, 12)))
  })
}

t.test('the position in a list is told', async (t) => {
  t.throws(() => parseKeys('authKey', [A, B, 'short']), { message: /key 3/ })
  t.throws(() => parseKeys('authKey', `${A.toString('hex')},short`), { message: /key 2/ })
})

t.test('every spelling of a key gives the same bytes', async (t) => {
  const spellings = [A, new Uint8Array(A), A.toString('hex'), A.toString('hex').toUpperCase(), A.toString('base64'), A.toString('base64').replace(/=+$/, ''), A.toString('base64url'), ` ${A.toString('base64')} `]
  for (const spelling of spellings) {
    t.strictSame(parseKeys('k', spelling), [A])
    t.strictSame(parseKeys('k', [spelling, B]), [A, B])
  }
  t.strictSame(parseKeys('k', `${A.toString('hex')}, ${B.toString('base64')}`), [A, B], 'comma text, newest first')
  t.strictSame(parseKeys('k', [`${A.toString('hex')},${B.toString('base64')}`]), [A, B])
})

t.test('a Uint8Array is copied: changing it later changes no key', async (t) => {
  const given = new Uint8Array(A)
  const [key] = parseKeys('k', given)
  given.fill(0)
  t.strictSame(key, A)
})

t.test('1,000 random keys are accepted in every spelling', async (t) => {
  for (let n = 0; n < 1_000; n++) {
    const key = randomBytes(32 + n % 33)
    for (const spelling of [key, key.toString('hex'), key.toString('base64'), key.toString('base64url')]) {
      if (!parseKeys('k', spelling)[0]?.equals(key)) t.fail(`key ${n}`)
    }
  }
  t.pass()
})

t.test('where exactly 32 bytes are asked for, 33 are refused', async (t) => {
  t.strictSame(parseKeys('k', A, { exactBytes: 32 }), [A])
  t.throws(() => parseKeys('k', randomBytes(33), { exactBytes: 32 }), { name: 'TypeError', message: /exactly 32/ })
})

t.test('keys for two purposes must differ', async (t) => {
  t.throws(() => { rejectSharedKeys('a', [A, B], 'b', [randomBytes(32), B]) }, { name: 'TypeError', message: /"a".*"b"/ })
  t.doesNotThrow(() => { rejectSharedKeys('a', [A], 'b', [B]) })
})

t.test('derived keys differ by key, purpose and name, however these are cut', async (t) => {
  const derived = [[A, 'p', 'n'], [B, 'p', 'n'], [A, 'q', 'n'], [A, 'p', 'm'], [A, 'pn', ''], [A, '', 'pn'], [A, 'p1', 'n'], [A, 'p', '1n'], [A, 'p1:n', ''], [A, 'ü', ''], [A, 'u', '']] as const
  const keys = derived.map(([key, purpose, name]) => deriveKey(key, purpose, name))
  t.equal(new Set(keys.map((key) => key.toString('hex'))).size, derived.length)
  for (const key of keys) t.equal(key.length, 32)
  t.strictSame(deriveKey(A, 'p', 'n'), keys[0], 'the same every time')
  t.not(keys[0]?.toString('hex'), A.toString('hex'))
})

t.test('derivation is HKDF-SHA-256 over length-prefixed info', async (t) => {
  t.strictSame(deriveKey(A, 'session cookie', 'sid'), Buffer.from(hkdfSync('sha256', A, Buffer.alloc(0), '13:silverback v114:session cookie3:sid', 32)))
})
