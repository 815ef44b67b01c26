import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { SessionValueError } from '../../src/core/errors.js'
import { checkKey, copyValue, deepFreeze, isValues } from '../../src/session/values.js'
import { anySession, Browser, openApp } from '../helpers/session-app.js'

class Point { x = 1 }
class List extends Array<number> {}
const circle: Record<string, unknown> = {}
circle['self'] = { back: circle }
const circularArray: unknown[] = []
circularArray.push([circularArray])
const nested = (levels: number): unknown => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
// eslint-disable-next-line no-sparse-arrays
const holes = [1, , 3]
const withProperties = Object.assign([1, 2], { extra: 1 })
const hidden = Object.defineProperty({ a: 1 }, 'hidden', { value: 2, enumerable: false })

const refused: Record<string, unknown> = {
  '3C-01 NUL in a value': 'a\0b',
  '3C-01 NUL alone': '\0',
  '3C-01 NUL in a key': { 'a\0': 1 },
  '3C-01 NUL deep inside': [{ a: ['\0'] }],
  '3C-02 a lone high surrogate': '\ud800',
  '3C-02 a lone low surrogate': 'a\udc00b',
  '3C-02 surrogates the wrong way round': '\udc00\ud800',
  '3C-02 a lone surrogate in a key': { '\ud800': 1 },
  '3C-03 NaN': NaN,
  '3C-03 Infinity': [Infinity],
  '3C-03 -Infinity': { a: -Infinity },
  '3C-06 a BigInt': 1n,
  '3C-06 a BigInt inside': { n: [2n] },
  '3C-07 a Date': new Date(0),
  '3C-07 a Date inside': { at: new Date() },
  '3C-08 undefined in an object': { a: undefined },
  '3C-08 undefined in an array': [undefined],
  '3C-08 a function': () => {},
  '3C-08 a method': { f () {} },
  '3C-08 a symbol': Symbol('s'),
  '3C-08 a symbol as a key': { [Symbol('s')]: 1 },
  '3C-08 a class': Point,
  '3C-09 a Map': new Map([[1, 2]]),
  '3C-09 a Set': [new Set([1])],
  '3C-09 a RegExp': /x/,
  '3C-09 an Error': new Error('x'),
  '3C-09 an instance of a class': new Point(),
  '3C-09 an instance of a class inside': { p: new Point() },
  '3C-09 an instance of a class of arrays': List.from([1, 2]),
  '3C-09 a boxed string': Object('x'),
  '3C-09 a boxed number': Object(1),
  '3C-09 a promise': Promise.resolve(1),
  '3C-09 a WeakMap': new WeakMap(),
  '3C-09 a URL': new URL('https://a.example'),
  '3C-09 an object with a prototype of its own': Object.create({ inherited: 1 }),
  '3C-09 arguments': (function (..._: number[]) { return arguments })(1, 2),
  '3C-09 Math': Math,
  '3C-09 a generator': (function * () { yield 1 })(),
  '3C-10 a Buffer': Buffer.from('x'),
  '3C-10 a typed array': new Uint8Array(2),
  '3C-10 an ArrayBuffer': new ArrayBuffer(2),
  '3C-11 a sparse array': holes,
  '3C-11 an array of length alone': new Array(3),
  '3C-11 an array with properties': withProperties,
  '3C-12 an object that holds itself': circle,
  '3C-12 an array that holds itself': circularArray,
  '3C-13 33 levels': nested(33),
  '3C-13 20,000 levels': nested(20_000),
  '3C-14 over 64 KiB of JSON': 'x'.repeat(65_535),
  '3C-14 over 64 KiB in UTF-8': 'ü'.repeat(32_768),
  '3C-17 a toJSON method': { toJSON: () => 1 },
  '3C-18 a property that is not enumerable': hidden,
  '3D-01 __proto__ inside': JSON.parse('{"__proto__":{"admin":true}}'),
  '3D-01 __proto__ deep inside': [JSON.parse('{"a":{"__proto__":1}}')]
}

for (const [title, value] of Object.entries(refused)) {
  t.test(`refused: ${title}`, async (t) => {
    t.throws(() => copyValue('the key', value), { code: 'ERR_SESSION_VALUE', key: 'the key', message: /"the key"/ })
  })
}

const other = createContext({})
const kept: Record<string, [unknown, unknown?]> = {
  null: [null],
  'true and false': [[true, false]],
  'the empty text, object and array': [['', {}, []]],
  '-0, which becomes 0': [-0, 0],
  '-0 inside, which becomes 0': [{ a: [-0] }, { a: [0] }],
  'the largest safe integer and beyond': [[Number.MAX_SAFE_INTEGER, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE, 5e-324, 0.1]],
  'emoji, right-to-left, U+FFFF and combining marks': ['🦍👩‍👩‍👧 שלום \uffff e\u0301 \u2028\u2029'],
  'control characters but NUL': ['\u0001\u001f\u007f\u0080\b\n\r\t\\"\''],
  'an escaped NUL as text': ['\\u0000'],
  '32 levels': [nested(32)],
  '64 KiB of JSON to the byte': ['x'.repeat(65_534)],
  'an object without a prototype': [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  'an object and an array of another realm': [runInContext('({ a: [1, { b: null }] })', other), { a: [1, { b: null }] }],
  'the same object twice, which is no circle': [((one) => [one, one, { one }])({ a: 1 })],
  'keys named like members of Object': [{ constructor: 1, prototype: 2, toString: 3, hasOwnProperty: 4, length: 5, toJSON: null, then: 6 }],
  'keys that are empty, numeric, dotted or Unicode': [{ '': 1, 0: 2, '-1': 3, 'a.b': 4, 'a[0]': 5, ключ: 6, ' ': 7 }],
  'a frozen object': [Object.freeze({ a: Object.freeze([1]) })]
}

for (const [title, [value, expected = value]] of Object.entries(kept)) {
  t.test(`kept: ${title}`, async (t) => {
    const copy = copyValue('key', value)
    t.strictSame(copy, expected)
    t.strictSame(JSON.parse(JSON.stringify(copy)), expected, 'through JSON')
    t.equal(Object.isFrozen(copy), true)
  })
}

t.test('every JSON value is copied deep-equal, through JSON too, and frozen', async (t) => {
  fc.assert(fc.property(fc.jsonValue({ depthSize: 'small', stringUnit: 'binary' }), (given) => {
    if (containsProto(given)) return
    const wellFormed = !/\\u0000/.test(JSON.stringify(given)) && isWellFormed(given)
    try {
      const copy = copyValue('key', given)
      t.ok(wellFormed)
      fc.pre(wellFormed)
      const expected: unknown = JSON.parse(JSON.stringify(given))
      if (JSON.stringify(copy) !== JSON.stringify(expected)) throw new Error('not the same')
      if (!isDeepFrozen(copy)) throw new Error('not frozen')
    } catch (error) {
      if (!(error instanceof SessionValueError) || wellFormed) throw error
    }
  }), { numRuns: 500 })
})

t.test('anything at all is either refused with ERR_SESSION_VALUE or read back deep-equal', async (t) => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true, withSparseArray: true, withTypedArray: true, withBoxedValues: true, stringUnit: 'binary' })
  let copies = 0
  fc.assert(fc.property(anything, (given) => {
    let copy: unknown
    try {
      copy = copyValue('key', given)
    } catch (error) {
      return error instanceof SessionValueError && error.code === 'ERR_SESSION_VALUE'
    }
    copies++
    return same(given, JSON.parse(JSON.stringify(copy)))
  }), { numRuns: 3_000 })
  t.ok(copies > 100)
})

t.test('3C-17: getters and proxies are asked once, and what they answer is what is kept', async (t) => {
  let asked = 0
  const sly = { get n () { return ++asked } }
  t.strictSame(copyValue('key', sly), { n: 1 })
  t.equal(asked, 1)
  const answers = [1, NaN]
  const proxy = new Proxy({ a: 0 }, { get: (_, name) => name === 'a' ? answers.shift() : undefined })
  t.strictSame(copyValue('key', proxy), { a: 1 })
})

t.test('the copy is no alias of what was given', async (t) => {
  const given = { list: [{ n: 1 }] }
  const copy = copyValue('key', given)
  given.list[0] = { n: 2 }
  given.list.push({ n: 3 })
  t.strictSame(copy, { list: [{ n: 1 }] })
})

t.test('a getter that throws is the application\'s own error', async (t) => {
  t.throws(() => copyValue('key', { get a () { throw new RangeError('mine') } }), RangeError)
})

t.test('keys: text of up to 256 bytes without NUL, halves of surrogates or the name __proto__', async (t) => {
  for (const key of ['', 'a', 'x'.repeat(256), 'ü'.repeat(128), 'a.b', 'ключ', '🦍', 'constructor', 'toString', 'get']) t.doesNotThrow(() => { checkKey(key) }, key)
  for (const key of ['x'.repeat(257), 'ü'.repeat(129), '\0', 'a\0', '\ud800', '__proto__', 5, null, undefined, {}, Symbol('s')]) {
    t.throws(() => { checkKey(key) }, { code: 'ERR_SESSION_VALUE' }, String(key))
  }
})

t.test('an error names the key, cut, and never the value', async (t) => {
  const error: unknown = (() => { try { return copyValue('k'.repeat(200), { password: 'hunter2', bad: NaN }) } catch (error) { return error } })()
  t.ok(error instanceof SessionValueError)
  t.notMatch(String(error), /hunter2|password/)
  t.ok(String(error).length < 200)
})

t.test('deepFreeze freezes in depth, and isValues tells an object from the rest', async (t) => {
  const value = { a: [{ b: 1 }] }
  t.equal(deepFreeze(value), value)
  t.equal(isDeepFrozen(value), true)
  for (const wrong of [null, undefined, [], [1], 'x', 5, true]) t.equal(isValues(wrong), false)
  t.equal(isValues({}), true)
})

t.test('what set refuses is refused before any call of the store, and nothing of the session changes', async (t) => {
  const { app, store } = await openApp(t, {
    routes: (app) => app.post('/try', async (request) => {
      const session = anySession(request)
      for (const [title, value] of Object.entries(refused)) {
        t.throws(() => { session.set('key', value) }, { code: 'ERR_SESSION_VALUE', key: 'key' }, title)
      }
      for (const key of ['__proto__', '\0', 'x'.repeat(257)]) t.throws(() => { session.set(key, 1) }, { code: 'ERR_SESSION_VALUE' })
      t.equal(session.isModified(), false)
      t.strictSame(session.values, {})
      t.equal(Reflect.get({}, 'admin'), undefined)
      return 'ok'
    })
  })
  t.equal((await app.inject({ method: 'POST', url: '/try' })).statusCode, 200)
  t.strictSame(store.takeCalls(), [])
})

t.test('a value that escapes the handler answers 500 with its code, and the log names the key, not the value', async (t) => {
  const { app } = await openApp(t, { routes: (app) => app.post('/try', async (request) => { anySession(request).set('cart', { card: '4111', n: NaN }) }) })
  const answer = await app.inject({ method: 'POST', url: '/try' })
  t.equal(answer.statusCode, 500)
  t.equal(answer.json().code, 'ERR_SESSION_VALUE')
  t.notMatch(answer.body, '4111')
})

t.test('256 keys are kept, a 257th is refused, and taking one out makes room', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/fill', async (request) => {
      const session = anySession(request)
      for (let n = 0; n < 256; n++) session.set(`k${n}`, n)
      t.throws(() => { session.set('one more', 1) }, { code: 'ERR_SESSION_VALUE', key: 'one more' })
      session.set('k0', 'again')
      session.delete('k1')
      session.set('one more', 1)
      await session.save()
      t.throws(() => { session.set('k1', 1) }, { code: 'ERR_SESSION_VALUE' })
      return 'ok'
    })
  })
  const browser = new Browser(app)
  t.equal((await browser.post('/fill')).statusCode, 200)
  t.equal(Object.keys((await browser.session()).values).length, 256)
})

t.test('every kind of JSON value comes back deep-equal in the next request', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => {
      app.post('/put', async (request) => { for (const [title, [value]] of Object.entries(kept)) if (!title.startsWith('64')) anySession(request).set(title, value) })
      app.get('/look', async (request) => {
        for (const [title, [value, expected = value]] of Object.entries(kept)) if (!title.startsWith('64')) t.strictSame(anySession(request).get(title), expected, title)
        return 'ok'
      })
    }
  })
  const browser = new Browser(app)
  await browser.post('/put')
  t.equal((await browser.get('/look')).statusCode, 200)
})

t.test('3C-18: changing what get or values returned throws, and changes nothing', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.post('/try', async (request) => {
      const session = anySession(request)
      for (const round of ['set in this request', 'loaded']) {
        const cart = session.get('cart') as { items: number[] } | undefined
        if (round === 'set in this request') {
          session.set('cart', { items: [1] })
          continue
        }
        t.throws(() => { cart?.items.push(2) }, TypeError)
        t.throws(() => { Object.assign(cart ?? Object.freeze({}), { n: 1 }) }, TypeError)
        t.throws(() => { Object.assign(session.values, { n: 1 }) }, TypeError)
      }
      const data = session.data()
      data['mine'] = 1
      t.equal(session.has('mine'), false, 'data() is a copy')
      return session.values
    })
  })
  const browser = new Browser(app)
  await browser.post('/try')
  t.strictSame((await browser.post('/try')).json(), { cart: { items: [1] } })
})

t.test('3D-04: members of Object are no values of a fresh session', async (t) => {
  const { app } = await openApp(t, {
    routes: (app) => app.get('/try', async (request) => {
      for (const key of ['toString', 'hasOwnProperty', 'constructor', '__proto__', 'valueOf']) {
        t.equal(anySession(request).get(key), undefined)
        t.equal(anySession(request).has(key), false)
      }
      return 'ok'
    })
  })
  t.equal((await app.inject('/try')).statusCode, 200)
})

function isWellFormed (value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormed(inner))
}

function containsProto (value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(containsProto)
}

function isDeepFrozen (value: unknown): boolean {
  return typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isDeepFrozen))
}

/** Deep equality of its own, over own properties of every kind; -0 is 0, and a prototype of null is any. */
function same (a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b
  const [keysA, keysB] = [Reflect.ownKeys(a), Reflect.ownKeys(b)]
  return Array.isArray(a) === Array.isArray(b) && keysA.length === keysB.length && keysA.every((key) => Object.hasOwn(b, key) && same(Reflect.get(a, key), Reflect.get(b, key)))
}
