import { hash } from 'node:crypto'
import t from 'tap'
import { openFaultProxy } from '../helpers/fault-proxy.js'
import { age, ask, isInBackground, me, openPair, refresh, signIn, untilRefused } from '../helpers/token-client.js'

const HOUR = 3_600

t.test('of 40 parallel refreshes with one token over two processes, 200 times, all get one successor and nobody is signed out', async (t) => {
  const { a, b, pool } = await openPair(t)
  const { refresh: first, sessionId } = await signIn(a.url, 'register', 'ada@example.com')
  let token = first
  const wrong: unknown[] = []
  for (let round = 1; round <= 200; round++) {
    await age(pool, sessionId, 91)
    const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => await refresh((i % 2 === 0 ? a : b).url, token)))
    const successors = new Set(answers.map(({ body }) => body?.refresh_token))
    const [next] = successors
    if (answers.some(({ status }) => status !== 200) || successors.size !== 1 || next === undefined || next === token) {
      wrong.push({ round, statuses: answers.map(({ status, body }) => `${status} ${body?.code ?? ''}`), successors: successors.size })
      break
    }
    token = next
  }
  t.strictSame(wrong, [])
  const { rows } = await pool.query('SELECT generation, count(*) OVER ()::integer AS rows FROM refresh_tokens')
  t.strictSame(rows, [{ generation: 201, rows: 1 }], 'one row, of generation 201')
})

t.test('a lost answer: cut after the commit, the same token gives the same successor an hour later, on another process', async (t) => {
  const proxy: { current: Awaited<ReturnType<typeof openFaultProxy>> | null } = { current: null }
  const { a, b, pool } = await openPair(t, {}, async (url) => {
    proxy.current = await openFaultProxy(t, url)
    return { a: proxy.current.connectionString, b: url }
  })
  const { refresh: first, sessionId } = await signIn(b.url, 'register', 'ada@example.com')
  await age(pool, sessionId, 91)
  await refresh(a.url, 'rt_nonsense') // a process that has not yet rotated prepares its statement with the first
  if (proxy.current === null) throw new Error('no proxy')
  proxy.current.judge = (text) => text.includes('rotateRefreshToken') ? 'cutAfter' : 'pass'
  t.match(await refresh(a.url, first), { status: 503, body: { code: 'ERR_STORE' } }, 'the client is told that the storage failed')
  proxy.current.judge = () => 'pass'
  const stored = await pool.query<{ generation: number, token_hash: Buffer }>('SELECT generation, token_hash FROM refresh_tokens')
  t.equal(stored.rows[0]?.generation, 2, 'the rotation was committed')

  await age(pool, sessionId, HOUR)
  const again = await refresh(b.url, first)
  const twice = await refresh(a.url, first)
  t.equal(again.status, 200)
  t.equal(again.body?.refresh_token, twice.body?.refresh_token, 'the same, bit for bit')
  t.ok(stored.rows[0]?.token_hash.equals(secretHash(again.body?.refresh_token)), 'and it is the one that was lost')
  t.equal(await me(a.url, again.body?.access_token ?? ''), 200)
})

/** SHA-256 of the secret in a token, as the row keeps it. */
function secretHash (token = ''): Buffer {
  return hash('sha256', Buffer.from(token.slice(3), 'base64url').subarray(25, 57), 'buffer')
}

t.test('replay of a stolen generation: the lineage is blocked by that statement, and both processes refuse its access tokens', async (t) => {
  const { a, b, pool } = await openPair(t)
  const { refresh: stolen, sessionId } = await signIn(a.url, 'register', 'ada@example.com')
  await age(pool, sessionId, 91)
  const second = (await refresh(a.url, stolen)).body?.refresh_token ?? ''
  await age(pool, sessionId, 91)
  const third = await refresh(b.url, second)
  const access = third.body?.access_token ?? ''
  t.strictSame([await me(a.url, access), await me(b.url, access)], [200, 200])

  t.match(await refresh(a.url, stolen), { status: 401, body: { code: 'ERR_TOKEN_REUSED', error: 'invalid_grant' } })
  const [onA, onB] = await Promise.all([untilRefused(a.url, access), untilRefused(b.url, access)])
  t.comment(`refused after ${onA.toFixed(1)} ms on the process that noticed, ${onB.toFixed(1)} ms on the other`)
  const { rows } = await pool.query('SELECT blocked_reason FROM sessions')
  t.strictSame(rows, [{ blocked_reason: 'refresh_reuse' }])
  t.match(await refresh(b.url, third.body?.refresh_token ?? ''), { status: 401, body: { code: 'ERR_SESSION_BLOCKED' } }, 'the newest token is dead, too')
  t.match(await refresh(a.url, stolen), { status: 401, body: { code: 'ERR_SESSION_BLOCKED' } }, 'the alarm rings once')
})

t.test('denial by strangers: a forged token that names a real session does nothing to it, and asks the database nothing', async (t) => {
  const proxy: { current: Awaited<ReturnType<typeof openFaultProxy>> | null } = { current: null }
  const { a, pool } = await openPair(t, {}, async (url) => {
    proxy.current = await openFaultProxy(t, url)
    return { a: proxy.current.connectionString, b: url }
  })
  const { refresh: token, access, sessionId } = await signIn(a.url, 'register', 'ada@example.com')
  const row = async (): Promise<unknown> => (await pool.query('SELECT r.*, s.blocked_at, s.version FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id')).rows
  const before = await row()
  const bytes = Buffer.from(token.slice(3), 'base64url')
  const forged = Array.from(bytes.keys()).map((at) => {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    return `rt_${changed.toString('base64url')}`
  })
  let statements = 0
  if (proxy.current === null) throw new Error('no proxy')
  proxy.current.judge = (text) => {
    if (!isInBackground(text)) statements++
    return 'pass'
  }
  for (const text of [...forged, `${token}A`, token.slice(0, -1), `rt_${'A'.repeat(119)}`]) {
    const { status, body } = await refresh(a.url, text)
    if (status !== 401 || body?.code !== 'ERR_TOKEN_INVALID') t.fail(`${status} ${body?.code}`)
  }
  t.equal((await ask(a.url, 'GET', '/auth/me', { token: `${access.slice(0, -4)}AAAA` })).status, 401, 'a forged access token')
  t.equal(statements, 0, 'no statement but those of the feed')
  t.strictSame(await row(), before)
  t.equal(sessionId.length, 36)
  t.equal(await me(a.url, access), 200)
})

t.test('signing in again on the same browser: the old lineage is dead, an old token does nothing to the new one', async (t) => {
  const { a, pool } = await openPair(t)
  const registered = await ask(a.url, 'POST', '/auth/register', { body: { email: 'ada@example.com', password: 'a long walk by the sea' } })
  const cookie = registered.headers.getSetCookie().find((text) => text.startsWith('sid='))?.split(';')[0] ?? ''
  const again = await ask(a.url, 'POST', '/auth/login', { headers: { cookie }, body: { email: 'ada@example.com', password: 'a long walk by the sea' } })
  t.equal(again.status, 200)
  t.match(await refresh(a.url, registered.body?.refresh_token ?? ''), { status: 401, body: { code: 'ERR_TOKEN_REVOKED' } })
  t.equal(await untilRefused(a.url, registered.body?.access_token ?? '') >= 0, true, 'the old access token is refused')
  const { rowCount } = await pool.query('SELECT 1 FROM sessions')
  t.equal(rowCount, 1)
  await age(pool, again.body?.session?.id ?? '', 91)
  t.match(await refresh(a.url, again.body?.refresh_token ?? ''), { status: 200, body: { refresh_token: /^rt_/ } }, 'the new lineage lives')
})
