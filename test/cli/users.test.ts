import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { freshDatabase } from '../helpers/database.js'
import { openServiceOnPostgres } from '../helpers/service-app.js'
import { silverback } from './command.js'
import { addSession, addUser } from './users.js'

const prepare = migrateUp
const CREDENTIALS = { email: 'ada@example.com', password: 'correct horse battery staple' }

async function open (t: Test) {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare })
  const userId = await addUser(pool, 'Ada@example.com')
  const users = async (...args: string[]) => await silverback(t, { DATABASE_URL }, 'users', ...args)
  const kinds = async (): Promise<string[]> => (await pool.query<{ kind: string }>("SELECT kind FROM session_events WHERE user_id = $1 AND reason = 'command line' AND actor_id IS NULL ORDER BY id", [userId])).rows.map(({ kind }) => kind)
  return { pool, userId, users, kinds }
}

void t.test('promote makes an administrator, found by any spelling of the address or by id', async (t) => {
  const { pool, userId, users, kinds } = await open(t)
  const other = await addUser(pool, 'bob@example.com')
  t.match(await users('promote', 'ADA@example.com'), { code: 0, out: /^Ada@example\.com is an administrator/, err: '' })
  t.strictSame(await kinds(), ['promoted'], 'the heaviest act there is leaves a trace')
  const { rows } = await pool.query('SELECT id, is_admin FROM users ORDER BY email_key')
  t.strictSame(rows, [{ id: userId, is_admin: true }, { id: other, is_admin: false }])
  t.match(await users('promote', other.toUpperCase()), { code: 0 })
  t.equal((await pool.query('SELECT FROM users WHERE is_admin')).rowCount, 2)
})

void t.test('logout, disable and enable end sessions, and say how many and by whom', async (t) => {
  const { pool, userId, users, kinds } = await open(t)
  for (let n = 0; n < 2; n++) await addSession(pool, { userId })
  const other = await addSession(pool)
  t.strictSame(await users('logout', userId), { code: 0, out: 'Ada@example.com is signed out; 2 sessions ended\n', err: '' })
  t.strictSame((await pool.query('SELECT id FROM sessions')).rows, [{ id: other }])
  await addSession(pool, { userId })
  t.match(await users('disable', userId), { out: 'Ada@example.com is disabled; 1 session ended\n' })
  t.equal((await pool.query('SELECT FROM users WHERE disabled_at IS NOT NULL')).rowCount, 1)
  t.match(await users('enable', userId), { out: 'Ada@example.com may sign in\n' })
  t.equal((await pool.query('SELECT FROM users WHERE disabled_at IS NOT NULL')).rowCount, 0)
  t.strictSame(await kinds(), ['signedOutByAdmin', 'disabled', 'enabled'])
})

void t.test('a user who is signed in is signed out by disable, cannot sign in, and can after enable', async (t) => {
  const { app, connectionString: DATABASE_URL } = await openServiceOnPostgres(t)
  const users = async (...args: string[]) => await silverback(t, { DATABASE_URL }, 'users', ...args)
  const { access_token: token } = (await app.inject({ method: 'POST', url: '/auth/register', payload: { ...CREDENTIALS, transport: 'body' } })).json<{ access_token?: string }>()
  const me = async () => (await app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } })).statusCode
  const signIn = async () => (await app.inject({ method: 'POST', url: '/auth/login', payload: CREDENTIALS })).statusCode
  t.equal(await me(), 200)
  t.match(await users('disable', CREDENTIALS.email), { code: 0, out: /1 session ended/ })
  while (await me() === 200) await new Promise((resolve) => { setTimeout(resolve, 10) }) // until the feed has told this node
  t.equal(await me(), 401)
  t.equal(await signIn(), 401)
  await users('enable', CREDENTIALS.email)
  t.equal(await signIn(), 200)
})

void t.test('whom nobody knows ends with 3, what can be nobody with 2', async (t) => {
  const { users } = await open(t)
  for (const name of ['promote', 'disable', 'enable', 'logout']) {
    t.match(await users(name, 'nobody@example.com'), { code: 3, out: '', err: 'silverback: there is no such user\n' }, name)
    t.match(await users(name, randomUUID()), { code: 3 }, name)
    t.match(await users(name, 'nonsense'), { code: 2, err: /e-mail address, or the id/ }, name)
  }
})
