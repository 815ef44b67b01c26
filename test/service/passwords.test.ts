import { hash } from '@node-rs/argon2'
import t from 'tap'
import { RequestError } from '../../src/plugins/problems.js'
import { parseEmail } from '../../src/service/users/email.js'
import { HashQueue } from '../../src/service/users/hash-queue.js'
import { codePoints, normalizePassword } from '../../src/service/users/password.js'
import { Argon2Hasher } from '../../src/service/users/password-hasher.js'
import { checkPassword } from '../../src/service/users/password-policy.js'

const EMAIL = 'ann.smith@example.com'

/** The refusal of a check; `null`: none. */
function refusal (check: () => unknown): RequestError | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof RequestError) return error
    throw error
  }
}

const judge = (password: string): RequestError | null => refusal(() => { checkPassword(normalizePassword(password), EMAIL) })

void t.test('P01: 15 code points are enough, 14 are not, and 256 are the most', async (t) => {
  t.match(judge('kx7-Wq2.mZ9_tB'), { statusCode: 422, code: 'ERR_WEAK_PASSWORD', message: /at least 15/ })
  t.equal(judge('kx7-Wq2.mZ9_tBv'), null)
  t.equal(judge('😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰'), null, '15 emoji')
  const long = 'correct horse battery staple, and then some more words that nobody has strung together before; '.repeat(3)
  for (const length of [64, 128, 256]) t.equal(judge(long.slice(0, length)), null, `${length}`)
  t.match(judge('x'.repeat(257)), { statusCode: 400, code: 'ERR_VALIDATION' })
  t.match(judge('💣'.repeat(257)), { statusCode: 400, code: 'ERR_VALIDATION' })
  t.equal(codePoints('💣'.repeat(3)), 3)
})

void t.test('P02: no kind of character is asked for', async (t) => {
  for (const password of ['my dog eats green apples', 'correct horse battery', ' leading and trailing ', 'ganz ohne große zahlen', 'kxqzvwmjrtplnbd', 'nul\0 in the middle of it']) t.equal(judge(password), null, JSON.stringify(password))
})

void t.test('P04: common passwords, the name of the service and that of the user are refused, with the reason', async (t) => {
  for (const [password, reason] of [
    ['password1234567', /common/],
    ['silverback123456', /name of this service/],
    [EMAIL, /e-mail address/],
    ['ANN.SMITH@example.com', /e-mail address/],
    ['ann.smithann.smith', /repeats|e-mail/],
    ['p4$$w0rd1234567', /common/],
    ['qwertyuiopasdfgh', /common|row|pattern/],
    ['123456789012345', /common|sequences/],
    ['aaaaaaaaaaaaaaa', /repeats/]
  ] as const) t.match(judge(password), { statusCode: 422, code: 'ERR_WEAK_PASSWORD', field: 'password', message: reason }, password)
})

void t.test('P07: a password of any length costs no more than a fifth of a second to judge', async (t) => {
  judge('warm the dictionaries up')
  for (const part of ['p4ssw0rd!', '4@8({[<369&#!1/|0$5+7%2 ', '|-|', '/\\/\\', '2012011220010203', 'aA4@']) {
    const startedAt = performance.now()
    judge(part.repeat(300).slice(0, 256))
    t.ok(performance.now() - startedAt < 200, part)
  }
  const startedAt = performance.now()
  t.match(judge('x'.repeat(1_000_000)), { statusCode: 400 })
  t.ok(performance.now() - startedAt < 20, 'a megabyte is not even normalised')
})

void t.test('passwords that are no text are refused, so that no two of them are one', async (t) => {
  t.match(judge('kx7-Wq2.mZ9_tB\uD800'), { statusCode: 400, code: 'ERR_VALIDATION' })
  t.match(judge(''), { statusCode: 400 })
})

void t.test('P03: a password is normalised once, to NFKC', async (t) => {
  t.equal(normalizePassword('ﬁancé'), normalizePassword('fiance\u0301'))
  t.equal(normalizePassword('  a  '), '  a  ', 'and not trimmed')
})

void t.test('e-mail addresses that differ in case or in form are one', async (t) => {
  for (const address of ['Ann@Example.COM', 'ann@example.com', 'ａnn@example.com']) t.equal(parseEmail(address).key, 'ann@example.com', address)
  t.equal(parseEmail('Ann@Example.COM').address, 'Ann@Example.COM', 'and stays as it was given')
})

void t.test('what cannot be an e-mail address is refused, control characters included', async (t) => {
  for (const address of ['', 'ann', '@example.com', 'ann@', 'ann@localhost', 'a@b@c.de', 'ann@example..com', 'ann smith@example.com', 'ann@example.com\n',
    'ann\0@example.com', 'ann\u200B@example.com', '\u202Eann@example.com', 'ann\uD800@example.com', 'ann＠evil.com@example.com', `${'a'.repeat(65)}@example.com`, `ann@${'a.'.repeat(130)}com`]) {
    t.match(refusal(() => parseEmail(address)), { statusCode: 400, code: 'ERR_VALIDATION', field: 'email' }, JSON.stringify(address))
  }
})

void t.test('P05: hashes are Argon2id of today’s cost, each with a salt of its own', async (t) => {
  const hasher = new Argon2Hasher()
  const [a, b] = await Promise.all([hasher.hash('secret words'), hasher.hash('secret words')])
  t.match(a, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]{22}\$[^$]{43}$/)
  t.not(a, b)
  t.equal(await hasher.verify(a, 'secret words'), true)
  t.equal(await hasher.verify(a, 'secret word'), false)
  t.equal(hasher.isStale(a), false)
  t.equal(hasher.isStale(await hash('x', { memoryCost: 12_288, timeCost: 3 })), true)
})

void t.test('P02: passwords that differ in their 73rd character, in case or in a blank at the end are not one', async (t) => {
  const hasher = new Argon2Hasher()
  const base = 'x'.repeat(72)
  const stored = await hasher.hash(`${base}a`)
  for (const other of [`${base}b`, `${base}A`, `${base}a `, base]) t.equal(await hasher.verify(stored, other), false)
  const withNul = await hasher.hash('before\0after')
  t.equal(await hasher.verify(withNul, 'before'), false)
  t.equal(await hasher.verify(withNul, 'before\0after'), true)
})

void t.test('attack: a stored hash that asks for a gigabyte, or is none, is not run and fits no password', async (t) => {
  const hasher = new Argon2Hasher()
  const sound = await hasher.hash('secret words')
  for (const bad of [sound.replace('m=19456', 'm=1048576'), sound.replace('t=2', 't=11'), sound.replace('p=1', 'p=9'), sound.replace('argon2id', 'argon2i'), '', 'hunter2', `${sound}${'A'.repeat(1000)}`, null]) {
    const startedAt = performance.now()
    t.equal(await hasher.verify(bad, 'secret words'), false, String(bad).slice(0, 40))
    t.ok(performance.now() - startedAt < 1_500)
  }
})

void t.test('no more hashes run at once than there are permits; those beyond the queue are refused at once', async (t) => {
  const queue = new HashQueue({ permits: 2, queue: 3, waitMs: 60_000 })
  let running = 0
  let most = 0
  const finish: (() => void)[] = []
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await new Promise<void>((resolve) => { finish.push(resolve) })
    running--
  }
  const all = Array.from({ length: 6 }, async () => await queue.run(work))
  await t.rejects(all[5] ?? Promise.resolve(), { statusCode: 503, code: 'ERR_BUSY', headers: { 'retry-after': '2' } })
  const done = Promise.all(all.slice(0, 5))
  for (let ended = 0; ended < 5;) {
    const next = finish.shift()
    if (next !== undefined) { next(); ended++ }
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  await done
  t.equal(most, 2)
})

void t.test('who waits too long is refused, and the permit goes to the next when the hash has finished', async (t) => {
  const queue = new HashQueue({ permits: 1, queue: 8, waitMs: 20 })
  let finish: () => void = () => {}
  const first = queue.run(async () => await new Promise<void>((resolve) => { finish = resolve }))
  await t.rejects(queue.run(async () => {}), { code: 'ERR_BUSY' })
  finish()
  await first
  t.equal(await queue.run(async () => 'ran'), 'ran')
  await t.rejects(queue.run(async () => { throw new Error('failed') }), /failed/)
  t.equal(await queue.run(async () => 'ran'), 'ran', 'a hash that fails gives its permit back')
})

void t.test('so many have a place as may run and wait; the next is refused before it begins, until one leaves', async (t) => {
  const queue = new HashQueue({ permits: 2, queue: 3 })
  let began = 0
  const finish: (() => void)[] = []
  const work = async (): Promise<void> => { began++; await new Promise<void>((resolve) => { finish.push(resolve) }) }
  const all = Array.from({ length: 5 }, async () => await queue.admit(work))
  await t.rejects(queue.admit(work), { statusCode: 503, code: 'ERR_BUSY', headers: { 'retry-after': '2' } })
  t.equal(began, 5)
  for (const end of finish) end()
  await Promise.all(all)
  for (let i = 0; i < 6; i++) await t.rejects(queue.admit(async () => { throw new Error('failed') }), /failed/)
  t.equal(await queue.admit(async () => await queue.run(async () => 'ran')), 'ran', 'work that fails leaves its place')
})
