import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { openFaultProxy } from '../helpers/fault-proxy.js'
import type { FaultProxy } from '../helpers/fault-proxy.js'
import { ask, isInBackground, me, openPair, PASSWORD, refresh, signIn, untilRefused } from '../helpers/token-client.js'
import type { Pair, SignedIn } from '../helpers/token-client.js'

/** Each way to end a session, apart from the others. */
const ENDINGS: Readonly<Record<string, (pair: Pair, user: SignedIn) => Promise<unknown>>> = {
  'a logout with the access token': async ({ a }, { access }) => await ask(a.url, 'POST', '/auth/logout', { token: access }),
  'a logout with the refresh token': async ({ a }, { refresh }) => await ask(a.url, 'POST', '/auth/logout', { body: { refresh_token: refresh } }),
  'a revoked refresh token': async ({ a }, { refresh }) => await ask(a.url, 'POST', '/auth/revoke', { body: { refresh_token: refresh } }),
  'a password change on another device': async ({ a }) => {
    const other = await signIn(a.url, 'login', 'ada@example.com')
    return await ask(a.url, 'POST', '/auth/password', { token: other.access, body: { current: PASSWORD, next: 'a long walk up the hill' } })
  },
  'a sign-out everywhere': async ({ a }) => {
    const other = await signIn(a.url, 'login', 'ada@example.com')
    return await ask(a.url, 'POST', '/auth/logout-all', { token: other.access })
  },
  'a DELETE typed in psql': async ({ pool }, { sessionId }) => await pool.query('DELETE FROM sessions WHERE id = $1', [sessionId]),
  'a block typed in psql': async ({ pool }, { sessionId }) => await pool.query('UPDATE sessions SET blocked_at = now() WHERE id = $1', [sessionId]),
  'a TRUNCATE typed in psql': async ({ pool }) => await pool.query('TRUNCATE sessions CASCADE'),
  'a user deleted in psql': async ({ pool }, { userId }) => await pool.query('DELETE FROM users WHERE id = $1', [userId])
}

const cutListeners = async ({ pool }: Pair): Promise<void> => {
  await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback revocations'")
}

for (const [ending, end] of Object.entries(ENDINGS)) {
  t.test(`after ${ending}, access and refresh token are refused on both processes`, async (t) => {
    const pair = await openPair(t)
    const user = await signIn(pair.a.url, 'register', 'ada@example.com')
    t.strictSame([await me(pair.a.url, user.access), await me(pair.b.url, user.access)], [200, 200])
    await end(pair, user)
    const waited = await Promise.all([untilRefused(pair.a.url, user.access), untilRefused(pair.b.url, user.access)])
    t.comment(`refused after ${waited.map((ms) => ms.toFixed(1)).join(' and ')} ms`)
    t.equal((await refresh(pair.b.url, user.refresh)).status, 401)
  })
}

t.test('with the feed cut for good, a logout is still obeyed on both processes: the database is asked', async (t) => {
  const pair = await openPair(t)
  const user = await signIn(pair.a.url, 'register', 'ada@example.com')
  const cutting = setInterval(() => { void cutListeners(pair).catch(() => {}) }, 20)
  t.teardown(() => { clearInterval(cutting) })
  await cutListeners(pair)
  t.strictSame([await me(pair.a.url, user.access), await me(pair.b.url, user.access)], [200, 200], 'nobody is signed out by that')
  t.equal((await ask(pair.a.url, 'POST', '/auth/logout', { token: user.access })).status, 204)
  await Promise.all([untilRefused(pair.a.url, user.access), untilRefused(pair.b.url, user.access)])
  clearInterval(cutting)
})

t.test('a verified request asks the database nothing while the feed is whole', async (t) => {
  let proxy: FaultProxy | undefined
  const { a, b } = await openPair(t, {}, async (url) => {
    proxy = await openFaultProxy(t, url)
    return { a: proxy.connectionString, b: url }
  })
  const { access } = await signIn(b.url, 'register', 'ada@example.com')
  // with this answer the generation is confirmed, which is a write, once
  t.equal((await ask(a.url, 'GET', '/auth/verify', { token: access })).status, 204)
  const texts: string[] = []
  const heart = new EventEmitter()
  const beaten = once(heart, 'twice')
  if (proxy === undefined) throw new Error('no proxy')
  let beats = 0
  proxy.judge = (text) => {
    if (!isInBackground(text)) texts.push(text)
    else if (++beats === 2) heart.emit('twice')
    return 'pass'
  }
  await beaten // whatever was still under way is done
  texts.length = 0
  for (let i = 0; i < 300; i++) {
    const { status, headers } = await ask(a.url, 'GET', '/auth/verify', { token: access })
    if (status !== 204 || headers.get('x-user-id') === null) t.fail(`${status}`)
  }
  t.strictSame(texts, [])
})
