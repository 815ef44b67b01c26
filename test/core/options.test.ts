import t from 'tap'
import { flag, nearest, oneOf, rejectUnknown, seconds, show, wholeNumber } from '../../src/core/options.js'

const KNOWN = ['authKey', 'maxAge', 'absoluteMaxAge', 'sameSite', 'secure', 'path']

t.test('the nearest known name is suggested, and none where none is near', async (t) => {
  const near: Record<string, string | undefined> = {
    authkey: 'authKey', AuthKey: 'authKey', authKeys: 'authKey', auth_key: 'authKey', maxage: 'maxAge', maxAgee: 'maxAge', axAge: 'maxAge', samesite: 'sameSite', secret: 'secure', paht: 'path', absolutMaxAge: 'absoluteMaxAge', zzzzzzzz: undefined, x: undefined, somethingElseEntirely: undefined
  }
  for (const [given, expected] of Object.entries(near)) t.equal(nearest(given, KNOWN), expected, given)
  t.equal(nearest('a', []), undefined)
})

t.test('an unknown option is refused by name, with the nearest', async (t) => {
  t.throws(() => { rejectUnknown('sessions', { maxage: 1 }, KNOWN) }, { name: 'TypeError', message: /sessions.*"maxage".*"maxAge"/ })
  t.throws(() => { rejectUnknown('sessions', { zzzzzzzz: 1 }, KNOWN) }, { name: 'TypeError', message: /"zzzzzzzz"$/ })
  t.throws(() => { rejectUnknown('sessions', JSON.parse('{"__proto__":1}'), KNOWN) }, { name: 'TypeError', message: /__proto__/ })
  t.doesNotThrow(() => { rejectUnknown('sessions', { maxAge: 1, path: undefined }, KNOWN) })
  t.doesNotThrow(() => { rejectUnknown('sessions', {}, KNOWN) })
})

t.test('numbers at and over their limits', async (t) => {
  const limits = { min: 1, max: 10 }
  for (const good of [1, 1.5, 10]) t.equal(seconds('s', good, limits), good)
  for (const good of [1, 2, 10]) t.equal(wholeNumber('n', good, limits), good)
  for (const bad of [0, 0.999, 10.001, -1, NaN, Infinity, -Infinity, '5', null, undefined, true, [5], {}, 5n]) {
    t.throws(() => seconds('s', bad, limits), { name: 'TypeError', message: /"s" option.*1 to 10/ }, String(bad))
    t.throws(() => wholeNumber('n', bad, limits), { name: 'TypeError', message: /"n" option.*1 to 10/ }, String(bad))
  }
  t.throws(() => wholeNumber('n', 1.5, limits), TypeError)
})

t.test('flags and choices are exact', async (t) => {
  for (const good of [true, false]) t.equal(flag('f', good), good)
  for (const bad of [0, 1, 'true', '', null, undefined, {}]) t.throws(() => flag('f', bad), { name: 'TypeError', message: /"f" option/ })
  t.equal(oneOf('o', 'b', ['a', 'b']), 'b')
  for (const bad of ['A', 'c', '', null, undefined, 0, ['a']]) t.throws(() => oneOf('o', bad, ['a', 'b']), { name: 'TypeError', message: /"o" option.*'a', 'b'/ })
})

t.test('what was given is shown short, and objects not at all', async (t) => {
  t.equal(show('x'.repeat(500)).length, 82)
  t.equal(show('a\nb'), '"a\\nb"')
  t.equal(show({ password: 'hunter2' }), 'a value of type object')
  t.equal(show([1, 2]), 'an array')
  t.equal(show(null), 'null')
  t.equal(show(undefined), 'undefined')
})
