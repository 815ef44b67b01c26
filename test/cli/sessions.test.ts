import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import type { Revocation } from '../../src/tokens/revocations.js'
import { freshDatabase } from '../helpers/database.js'
import { silverback } from './command.js'
import { addSession, addUser } from './users.js'

const prepare = migrateUp

async function open (t: Test) {
  const { connectionString: DATABASE_URL, pool } = await freshDatabase(t, { prepare })
  const userId = await addUser(pool, 'Ada@example.com')
  const sessions = async (...args: string[]) => await silverback(t, { DATABASE_URL }, 'sessions', ...args)
  const show = async (id: string) => JSON.parse((await sessions('show', id, '--json')).out) as { session: object | null, why: string | null, lines: { text: string }[] }
  return { DATABASE_URL, pool, userId, sessions, show }
}

void t.test('list finds sessions by user, by e-mail address, by text, and visitors', async (t) => {
  const { pool, userId, sessions } = await open(t)
  const own = await addSession(pool, { userId })
  const visitor = await addSession(pool, { clientIp: '198.51.100.4' })
  const foreign = await addSession(pool, { userId: 'user-of-another-service' })
  const ids = async (...args: string[]): Promise<string[]> => {
    const { code, out } = await sessions('list', '--json', ...args)
    t.equal(code, 0)
    return (JSON.parse(out) as { sessions: { id: string }[] }).sessions.map(({ id }) => id)
  }
  t.strictSame((await ids()).sort(), [own, visitor, foreign].sort())
  t.strictSame(await ids('--user', 'ada@EXAMPLE.com'), [own])
  t.strictSame(await ids('--user', userId), [own])
  t.strictSame(await ids('--user', 'user-of-another-service'), [foreign])
  t.strictSame(await ids('--q', '198.51.100.4'), [visitor])
  t.strictSame(await ids('--q', 'ada'), [own])
  t.strictSame(await ids('--user', userId.toUpperCase()), [own])
  const alike = await addSession(pool, { userId: 'eve@elsewhere' })
  t.strictSame(await ids('--user', 'eve@elsewhere'), [alike], 'ids of users elsewhere may look like anything')
  const bob = await addUser(pool, 'bob@example.com')
  t.strictSame([await ids('--user', 'bob@example.com'), await ids('--user', bob)], [[], []], 'who is there may have none')
})

void t.test('list --json has the shape that its help documents, and the table the same sessions', async (t) => {
  const { pool, userId, sessions } = await open(t)
  const id = await addSession(pool, { userId, userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' })
  const { out } = await sessions('list', '--json')
  const { sessions: [entry = {}], more, ...rest } = JSON.parse(out) as { sessions: object[], more: boolean }
  t.strictSame([more, rest], [false, {}])
  const { out: help } = await sessions('list', '--help')
  for (const name of Object.keys(entry)) t.match(help, `"${name}"`)
  t.match(entry, { id, user: { id: userId, email: 'Ada@example.com', isAdmin: false, isDisabled: false }, device: 'Firefox on Linux', clientIp: '203.0.113.7', blocked: false, blockedReason: null })
  t.match((await sessions('list')).out, new RegExp(`^SESSION +USER .*\\n${id}  Ada@example.com +Firefox on Linux +203.0.113.7 .*\\n1 sessions\\n$`))
})

void t.test('list stops at its limit and says that there are more; --all goes on over pages', async (t) => {
  const { pool, sessions } = await open(t)
  await pool.query("INSERT INTO sessions (id, secret_hash, expires_at, absolute_expires_at) SELECT gen_random_uuid(), sha256(n::text::bytea), now() + interval '1 hour', now() + interval '1 hour' FROM generate_series(1, 120) AS n")
  const count = async (...args: string[]) => {
    const { sessions: found, more } = JSON.parse((await sessions('list', '--json', ...args)).out) as { sessions: { id: string }[], more: boolean }
    return { unique: new Set(found.map(({ id }) => id)).size, more }
  }
  t.strictSame(await count(), { unique: 50, more: true })
  t.strictSame(await count('--limit', '7'), { unique: 7, more: true })
  t.strictSame(await count('--limit', '120'), { unique: 120, more: false })
  t.strictSame(await count('--all'), { unique: 120, more: false })
  t.match((await sessions('list', '--limit', '7')).out, /7 sessions, and more: see --all and --limit\n$/)
})

void t.test('a terminal is not driven by what stands in a row', async (t) => {
  const { pool, sessions } = await open(t)
  const id = await addSession(pool)
  await pool.query('UPDATE sessions SET blocked_at = now(), blocked_reason = $1', ['\u{1b}[2Jgone\nfake line'])
  for (const args of [['list'], ['show', id]]) {
    const { code, out } = await sessions(...args)
    t.equal(code, 0)
    t.notOk(out.includes('\u{1b}') || out.includes('\nfake line'))
    t.match(out, 'gone')
  }
})

void t.test('block, unblock and end act at once, are told to the nodes, and stand in the story with who did it', async (t) => {
  const { DATABASE_URL, pool, userId, sessions, show } = await open(t)
  const id = await addSession(pool, { userId })
  const tokens = new PostgresTokenStore({ connectionString: DATABASE_URL })
  const told: Revocation[] = []
  let lifted = 0
  let ready = (): void => {}
  const isWhole = new Promise<void>((resolve) => { ready = resolve })
  tokens.watchRevocations({ reset: () => { ready() }, add: (revocation) => { told.push(revocation) }, lift: () => { lifted++ }, broken: () => {} })
  t.teardown(async () => { await tokens.close() })
  await isWhole
  const until = async (isTrue: () => boolean): Promise<void> => { while (!isTrue()) await new Promise((resolve) => { setTimeout(resolve, 10) }) }

  t.strictSame(await sessions('block', id, '--reason', 'called in'), { code: 0, out: `${id} is blocked\n`, err: '' })
  await until(() => told.some(({ kind, sessionId, reason }) => kind === 'blocked' && sessionId === id && reason === 'called in'))
  t.match(await show(id), { why: 'blocked: called in', lines: [{ text: /signed in/ }, { text: 'blocked by an administrator: command line: called in' }] })

  t.strictSame(await sessions('unblock', id), { code: 0, out: `${id} is not blocked\n`, err: '' })
  await until(() => lifted > 0)
  t.match(await show(id), { session: { id, blocked: false }, why: null })

  t.strictSame(await sessions('end', id), { code: 0, out: `${id} has ended\n`, err: '' })
  await until(() => told.some(({ kind, sessionId }) => kind === 'ended' && sessionId === id))
  t.match(await show(id), { session: null, why: /^ended by an administrator/ })
  const { rows } = await pool.query("SELECT kind, actor_id, reason, user_id FROM session_events WHERE session_id = $1 AND kind LIKE '%ByAdmin' ORDER BY id", [id])
  t.strictSame(rows, [
    { kind: 'blockedByAdmin', actor_id: null, reason: 'command line: called in', user_id: userId },
    { kind: 'unblockedByAdmin', actor_id: null, reason: 'command line', user_id: userId },
    { kind: 'endedByAdmin', actor_id: null, reason: 'command line', user_id: userId }
  ])
  const { out } = await sessions('show', id)
  t.match(out, /^session +[0-9a-f-]{36}\n\n.* the user signed in.*, from 203\.0\.113\.7\n.*\n\nended by an administrator.*\n$/s)
})

void t.test('a block of what is blocked changes nothing and says so: one count, one event, the first reason', async (t) => {
  const { pool, userId, sessions, show } = await open(t)
  const id = await addSession(pool, { userId })
  t.match(await sessions('block', id, '--reason', 'called in'), { code: 0, out: `${id} is blocked\n` })
  t.strictSame(await sessions('block', id, '--reason', 'again'), { code: 0, out: `${id} is blocked already: its reason stands\n`, err: '' })
  t.match(await show(id), { why: 'blocked: called in' })
  t.strictSame((await pool.query("SELECT reason FROM session_events WHERE kind = 'blockedByAdmin'")).rows, [{ reason: 'command line: called in' }])
  t.strictSame((await pool.query("SELECT sum(value)::integer AS count FROM stats WHERE name = 'blocked'")).rows, [{ count: 1 }])
})

void t.test('a reason has at most 200 characters', async (t) => {
  const { pool, sessions } = await open(t)
  const id = await addSession(pool)
  t.match(await sessions('block', id, '--reason', 'x'.repeat(201)), { code: 2, out: '', err: /at most 200 characters without control characters/ })
  t.match(await sessions('block', id, '--reason', '\u{1f600}'.repeat(200)), { code: 0 })
})

void t.test('a list of a database that does not answer begins nothing', async (t) => {
  for (const options of [[], ['--json']]) {
    t.match(await silverback(t, { DATABASE_URL: 'postgres://127.0.0.1:1/x' }, 'sessions', 'list', ...options), { code: 1, out: '', err: /^silverback: .+\n$/ })
  }
})

void t.test('what is not there ends with 3, what is no id with 2', async (t) => {
  const { pool, sessions } = await open(t)
  for (const name of ['show', 'end', 'block', 'unblock']) {
    t.match(await sessions(name, randomUUID()), { code: 3, out: '', err: /^silverback: .*no(?:thing| such)/ }, name)
    t.match(await sessions(name, 'nonsense'), { code: 2, out: '', err: /UUID/ }, name)
    t.match(await sessions(name), { code: 2, err: /missing required argument/ }, name)
  }
  for (const who of ['nobody@example.com', 'notanemail', randomUUID()]) {
    for (const options of [[], ['--json']]) t.match(await sessions('list', '--user', who, ...options), { code: 3, out: '', err: /^silverback: there is no such user, and no session of one\n$/ }, who)
  }
  t.match(await sessions('list', '--user', 'a@example.com', '--q', 'x'), { code: 2, err: /do not go together/ })
  t.match(await sessions('list', '--limit', '0'), { code: 2, err: /whole number/ })
  const expired = await addSession(pool)
  await pool.query("UPDATE sessions SET expires_at = now() - interval '1 second'")
  t.match(await sessions('end', expired), { code: 3 })
})
