import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { freshDatabase } from '../helpers/database.js'
import { openLibraryProcess } from '../helpers/library-process.js'
import type { LibraryProcess } from '../helpers/library-process.js'

interface Pair { readonly a: LibraryProcess, readonly b: LibraryProcess, readonly pool: pg.Pool, readonly env: Record<string, string> }

/** Two processes on one database, with one key. */
async function openPair (t: Test): Promise<Pair> {
  const { connectionString, pool } = await freshDatabase(t, { prepare: async (connectionString) => await migrate({ connectionString }) })
  const env = { DATABASE_URL: connectionString, SESSION_AUTH_KEYS: randomBytes(32).toString('base64url') }
  const [a, b] = await Promise.all([openLibraryProcess(t, env), openLibraryProcess(t, env)])
  return { a, b, pool, env }
}

const rowsOf = async (pool: pg.Pool): Promise<number> => Number((await pool.query<{ n: string }>('SELECT count(*) AS n FROM sessions')).rows[0]?.n)

async function begin (process: LibraryProcess, values: object = { first: 1 }): Promise<string> {
  const { cookie } = await process.send('POST', '/set', null, values)
  if (cookie === null || cookie === '') throw new Error('no session began')
  return cookie
}

t.test('of 200 parallel requests that set 200 keys of one session over two processes, no key is lost', async (t) => {
  const { a, b } = await openPair(t)
  const cookie = await begin(a)
  const answers = await Promise.all(Array.from({ length: 200 }, async (_, i) => await (i % 2 === 0 ? a : b).send('POST', '/set', cookie, { [`key${i}`]: i })))
  t.ok(answers.every(({ status }) => status === 200))
  const { body } = await b.send('GET', '/me', cookie)
  t.strictSame(Object.keys((body as { values: object }).values).length, 201)
})

t.test('1,000 parallel updates over two processes count to exactly 1,000', async (t) => {
  const { a, b } = await openPair(t)
  const cookie = await begin(a)
  const answers = await Promise.all(Array.from({ length: 1_000 }, async (_, i) => await (i % 2 === 0 ? a : b).send('POST', '/increment', cookie)))
  t.ok(answers.every(({ status }) => status === 200), 'each was answered with 200')
  const counts = answers.map(({ body }) => (body as { count: number }).count).sort((x, y) => x - y)
  t.strictSame(counts, Array.from({ length: 1_000 }, (_, i) => i + 1), 'and each saw a count of its own')
})

for (const [title, change] of [['a save', { set: 1 }], ['a slide', { touch: true }], ['a regenerate', { regenerate: true }]] as const) {
  for (const where of ['the same process', 'another process'] as const) {
    t.test(`resurrection: ${title} under way when the session is destroyed on ${where} brings nothing back`, async (t) => {
      const { a, b, pool } = await openPair(t)
      const cookie = await begin(a)
      const slow = a.send('POST', '/slow/x', cookie, change)
      await a.send('GET', '/waiting/x', null)
      const destroyed = await (where === 'the same process' ? a : b).send('POST', '/destroy', cookie)
      t.equal(destroyed.cookie, '', 'the cookie is cleared')
      await a.send('POST', '/open/x', null)
      const late = await slow
      t.equal(late.cookie, null, 'no Set-Cookie')
      if (!('regenerate' in change)) t.match(late, { status: 200, body: { said: 'the handler’s own' } })
      else t.match(late, { status: 409, body: { code: 'ERR_SESSION_GONE' } })
      t.equal(await rowsOf(pool), 0, 'no row')
      t.match((await a.send('GET', '/me', cookie)).body, { id: null }, 'the cookie is dead')
    })
  }
}

t.test('session fixation: the cookie before a sign-in is dead on another process as soon as it has answered', async (t) => {
  const { a, b, pool } = await openPair(t)
  const before = await begin(a, { cart: [1] })
  const { cookie: after } = await a.send('POST', '/login', before, { user: 'ada' })
  t.match((await b.send('GET', '/me', before)).body, { id: null, userId: null })
  t.match((await b.send('GET', '/me', after)).body, { userId: 'ada', values: { cart: [1] } })
  t.equal(await rowsOf(pool), 1)
})

t.test('a request that loaded the session before a sign-in can no longer write to it', async (t) => {
  const { a, b, pool } = await openPair(t)
  const before = await begin(a)
  const slow = a.send('POST', '/slow/x', before, { set: 'planted' })
  await a.send('GET', '/waiting/x', null)
  const { cookie: after } = await b.send('POST', '/login', before, { user: 'ada' })
  await a.send('POST', '/open/x', null)
  t.equal((await slow).cookie, null)
  t.strictSame(((await b.send('GET', '/me', after)).body as { values: object }).values, { first: 1 })
  t.equal(await rowsOf(pool), 1)
})

t.test('two parallel sign-ins on one session both end with a cookie that works, and with its values', async (t) => {
  const { a, b } = await openPair(t)
  const before = await begin(a, { cart: [1] })
  // both have loaded the session before either stores
  const first = a.send('POST', '/slow/x', before, { user: 'ada' })
  const second = b.send('POST', '/slow/x', before, { user: 'ada' })
  await Promise.all([a.send('GET', '/waiting/x', null), b.send('GET', '/waiting/x', null)])
  await Promise.all([a.send('POST', '/open/x', null), b.send('POST', '/open/x', null)])
  const cookies = (await Promise.all([first, second])).map(({ cookie }) => cookie)
  t.not(cookies[0], cookies[1])
  for (const cookie of cookies) t.match((await a.send('GET', '/me', cookie)).body, { userId: 'ada', values: { cart: [1] } })
  t.match((await a.send('GET', '/me', before)).body, { id: null })
})

t.test('keys are rotated under two processes in both orders without losing a session', async (t) => {
  const { a: old, env } = await openPair(t)
  const next = randomBytes(32).toString('base64url')
  const both = await openLibraryProcess(t, { ...env, SESSION_AUTH_KEYS: `${next},${env['SESSION_AUTH_KEYS'] ?? ''}` })
  const alone = await openLibraryProcess(t, { ...env, SESSION_AUTH_KEYS: next })
  const cookie = await begin(old)
  t.match((await alone.send('GET', '/me', cookie)).body, { id: null }, 'the new key alone does not verify the old cookie')
  const renewed = await both.send('GET', '/me', cookie)
  t.not((renewed.body as { id: string | null }).id, null)
  t.ok(renewed.cookie, 'the old cookie is issued again')
  t.not((await alone.send('GET', '/me', renewed.cookie)).body, { id: null })
  t.match((await old.send('GET', '/me', renewed.cookie)).body, { id: null }, 'the old key alone does not verify the new cookie')
})

t.test('downgrade: a process that seals refuses a cookie that is merely signed', async (t) => {
  const { a, env, pool } = await openPair(t)
  const sealing = await openLibraryProcess(t, { ...env, SESSION_ENCRYPTION_KEYS: randomBytes(32).toString('base64url') })
  const signed = await begin(a)
  t.match((await sealing.send('GET', '/me', signed)).body, { id: null })
  const sealed = await begin(sealing)
  t.match((await sealing.send('GET', '/me', sealed)).body, { values: { first: 1 } })
  t.match((await a.send('GET', '/me', sealed)).body, { id: null })
  t.equal(await rowsOf(pool), 2)
})
