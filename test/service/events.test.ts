import t from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { Database } from '../../src/stores/postgres/query.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import { renewal } from '../../src/testing/fixtures.js'
import { freshDatabase } from '../helpers/database.js'
import { serviceDatabase, keepLog, kindsIn } from '../helpers/events.js'
import { begun, newLineage, RULES, tokenOf } from '../helpers/pg-tokens.js'
import { newSession, put, seed, SLIDE, upTo } from '../helpers/pg-store.js'

const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'

void t.test('the database tells of the life of a user’s session by itself, and of nothing else', async (t) => {
  const { store, tokens, events, pool } = await serviceDatabase(t)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada', clientIp: '2001:db8::1', userAgent: AGENT }))
  await store.block(id, 'odd')
  await store.block(id, 'odder')
  await store.unblock(id)
  await store.unblock(id)
  const next = renewal()
  await store.save(id, secretHash, { ...SLIDE, renew: next })
  begun(await tokens.createRefreshToken(newLineage(next.id)))
  await tokens.revokeRefreshToken(next.id, 'logout')
  await pool.query("UPDATE sessions SET expiry_bucket = 0, expires_at = expires_at - interval '1 second'")
  await store.cleanup()
  const found = await events.ofSession(next.id)
  t.strictSame(found.map(({ kind }) => kind), ['began', 'blocked', 'unblocked', 'renewed', 'ended'], 'and what was logged out does not expire besides')
  t.match(found, [
    { sessionId: id, userId: 'ada', clientIp: '2001:db8::1', userAgent: AGENT, actorId: null, reason: null, generation: null },
    { sessionId: id, reason: 'odd', clientIp: null },
    { sessionId: id },
    { sessionId: next.id, reason: id },
    { sessionId: next.id, userId: 'ada', reason: 'logout', generation: 1 }
  ])
  t.ok(found.every(({ at }, n) => Math.abs(at.getTime() - Date.now()) < 60_000 && at >= (found[n - 1]?.at ?? at)))
  t.strictSame((await events.ofSession(id)).map((event) => event.id), found.map((event) => event.id), 'the id of before leads to the same story')
  t.strictSame(await events.ofSession('nonsense'), [])
})

void t.test('visitors, slides, saves, rotations and claims call no function of the events, and leave no row', async (t) => {
  const { connectionString, pool } = await freshDatabase(t, { prepare: migrateUp })
  await pool.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} SET track_functions = 'all'`)
  const begins = new PostgresStore({ connectionString })
  const users = await Promise.all(upTo(20).map(async (n) => await begins.create(newSession({ userId: `user ${n}` }))))
  const visitor = await begins.create(newSession())
  await begins.close()
  /** What connections have counted is known once they have ended. */
  const calls = async () => {
    while ((await pool.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'silverback%'")).rows.length > 0) await new Promise((resolve) => { setTimeout(resolve, 10) })
    return (await pool.query("SELECT funcname, calls::integer FROM pg_stat_user_functions WHERE funcname LIKE 'session\\_events%' ORDER BY funcname")).rows
  }
  const before = await calls()
  t.match(before, [{ funcname: 'session_events_tell', calls: 20 }, { funcname: 'session_events_tell_deleted', calls: 21 }], 'a statement that can replace a session asks once whether it has')

  const [store, tokens] = [new PostgresStore({ connectionString }), new PostgresTokenStore({ connectionString })]
  const [ada] = users
  begun(await tokens.createRefreshToken(newLineage(ada?.id ?? '', { userId: 'user 0' })))
  for (const { id, secretHash } of [...users, visitor]) {
    await store.save(id, secretHash, SLIDE)
    await store.save(id, secretHash, put({ n: 1 }))
    await store.save(id, secretHash, { ...put({ n: 2 }), maxAge: 60 })
  }
  await Promise.all([...users.map(async ({ id, secretHash }) => await store.save(id, secretHash, put({ n: 3 }))), store.save(visitor.id, visitor.secretHash, SLIDE)])
  await store.setClaims('user 1', { isAdmin: true })
  t.equal((await tokens.rotateRefreshToken(tokenOf(ada?.id ?? '', 1), { ...RULES, minGenerationAge: 0 })).found, 'ROTATE')
  await store.cleanup()
  await Promise.all([store.close(), tokens.close()])
  const cleaned = before.map((row) => row.funcname === 'session_events_tell_deleted' ? { ...row, calls: 22 } : row)
  t.strictSame(await calls(), cleaned, 'cleanup alone has asked')
  t.strictSame(new Set(await kindsIn(pool)), new Set(['began']))
})

void t.test('cleanup of many sessions tells of all with one call a batch, and how often they were refreshed', async (t) => {
  const { store, tokens, pool, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  begun(await tokens.createRefreshToken(newLineage(id)))
  await tokens.rotateRefreshToken(tokenOf(id, 1), { ...RULES, minGenerationAge: 0 })
  await pool.query('ALTER TABLE sessions DISABLE TRIGGER sessions_event_ended, DISABLE TRIGGER sessions_event_began')
  await pool.query("UPDATE sessions SET expires_at = now() - interval '1 hour'")
  await seed(pool, { count: 3_000, expiresIn: '-90 minutes' })
  await pool.query("INSERT INTO refresh_tokens (session_id, user_id, token_hash, generation) SELECT id, user_id, 'x', 3 FROM sessions WHERE user_id LIKE 'user %' LIMIT 500")
  const client = await pool.connect()
  await client.query("SET track_functions = 'all'")
  const removed = await client.query('DELETE FROM sessions WHERE expires_at <= now() AND id IN (SELECT id FROM sessions ORDER BY user_id LIMIT 1000)')
  await client.query('SELECT pg_stat_force_next_flush()')
  const { rows: calls } = await client.query("SELECT funcname, calls::integer FROM pg_stat_user_functions WHERE funcname LIKE 'session_events_tell%' AND calls > 0 ORDER BY funcname")
  client.release()
  t.equal(removed.rowCount, 1_000)
  t.match(calls, [{ funcname: 'session_events_tell_deleted', calls: 1 }, { funcname: 'session_events_tell_refreshed', calls: 1 }])
  await store.cleanup()
  const { rows: counts } = await pool.query('SELECT kind, count(*)::integer AS n, count(user_id)::integer AS users FROM session_events GROUP BY kind ORDER BY kind')
  t.strictSame(counts, [{ kind: 'began', n: 1, users: 1 }, { kind: 'expired', n: 1_501, users: 1_501 }, { kind: 'refreshed', n: 501, users: 501 }])
  t.match((await events.ofSession(id)).map(({ kind, generation }) => ({ kind, generation })), [{ kind: 'began' }, { kind: 'expired', generation: null }, { kind: 'refreshed', generation: 2 }])
})

void t.test('who deletes, blocks or expires sessions in psql is named; a transaction that is undone is not told', async (t) => {
  const { store, pool, connectionString, events } = await serviceDatabase(t)
  const [one, two, three, four] = [await store.create(newSession({ userId: 'ada' })), await store.create(newSession({ userId: 'ada' })), await store.create(newSession({ userId: 'ada' })), await store.create(newSession({ userId: 'ada' }))]
  const role = new URL(connectionString).username
  await pool.query(`BEGIN; DELETE FROM sessions; ROLLBACK; BEGIN; SET LOCAL application_name = 'psql'; DELETE FROM sessions WHERE id = '${one.id}'; COMMIT`)
  await pool.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [two.id])
  await store.delete(three.id)
  await pool.query('TRUNCATE sessions CASCADE')
  const last = async (id: string) => (await events.ofSession(id)).map(({ kind, reason }) => [kind, reason]).at(-1)
  t.strictSame(await last(one.id), ['ended', `deleted by ${role} with psql`])
  t.strictSame(await last(two.id), ['ended', `expired by ${role}`])
  t.strictSame(await last(three.id), ['ended', 'deleted'], 'the service itself')
  t.strictSame(await last(four.id), ['ended', `truncated by ${role}`])

  const five = await store.create(newSession({ userId: 'ada' }))
  await pool.query(`BEGIN; SET LOCAL application_name = 'psql'; UPDATE sessions SET blocked_at = now(), blocked_reason = '${'odd '.repeat(100)}'; COMMIT`)
  t.match((await last(five.id))?.[1], new RegExp(`^odd odd .*, by ${role} with psql$`))
  t.equal((await last(five.id))?.[1]?.length, 200)
  await pool.query('UPDATE sessions SET blocked_at = NULL, blocked_reason = NULL')
  t.strictSame(await last(five.id), ['unblocked', `by ${role}`])
  await pool.query('UPDATE sessions SET blocked_at = now()')
  t.strictSame(await last(five.id), ['blocked', `by ${role}`])
})

void t.test('attack: events cannot be changed, and are deleted by retention alone', async (t) => {
  const { store, pool, events } = await serviceDatabase(t)
  await store.create(newSession({ userId: 'ada' }))
  for (const statement of ["UPDATE session_events SET kind = 'x'", 'DELETE FROM session_events', 'TRUNCATE session_events', "INSERT INTO session_events (id, kind) OVERRIDING SYSTEM VALUE VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET kind = 'x'"]) {
    await t.rejects(pool.query(statement), { code: '42501', message: /append-only/ }, statement)
  }
  t.strictSame(await kindsIn(pool), ['began'])
  await pool.query("INSERT INTO session_events (at, user_id, kind) SELECT now() - n * interval '1 day', 'ada', 'signedIn' FROM generate_series(1, 2500) AS n")
  t.equal(await events.cleanup({ retentionSeconds: 86_400 * 90 - 60 }), 2_411)
  t.equal((await kindsIn(pool)).length, 90)
  t.equal(await events.cleanup({ retentionSeconds: 86_400 * 90 - 60, signal: AbortSignal.abort() }), 0)
  await t.rejects(pool.query('DELETE FROM session_events'), { code: '42501' }, 'and then it is closed again')
})

void t.test('what the service knows is recorded without waiting, in order, under the user of the session', async (t) => {
  const { store, events, pool } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  const visitor = await store.create(newSession())
  t.equal(events.record({ kind: 'signedOut', sessionId: id, clientIp: '::ffff:192.0.2.1', userAgent: `${'x'.repeat(600)}`, reason: `a\0b\ud800${'y'.repeat(300)}` }), undefined)
  events.record({ kind: 'signedOut', sessionId: visitor.id })
  events.record({ kind: 'endedByAdmin', sessionId: visitor.id, actorId: 'root' })
  events.record({ kind: 'passwordChanged', userId: 'ada', sessionId: 'nonsense', clientIp: 'fe80::1%eth0', generation: 7 })
  const found = await events.ofUser('ada')
  t.match(found, [
    { kind: 'passwordChanged', sessionId: null, clientIp: null, generation: 7 },
    { kind: 'signedOut', sessionId: id, userId: 'ada', clientIp: '::ffff:192.0.2.1', reason: /^ab\ufffdy+$/ },
    { kind: 'began' }
  ])
  t.equal(found[1]?.userAgent?.length, 512)
  t.equal(found[1]?.reason?.length, 200)
  t.strictSame(await kindsIn(pool), ['began', 'signedOut', 'endedByAdmin', 'passwordChanged'], 'a visitor leaves nothing behind')
  t.equal((await events.ofUser('ada', { limit: 1 })).length, 1)
})

void t.test('an event is dated when it happened, however long its writing waits, and stands in the story where it happened', async (t) => {
  const { store, events, openEvents, openPool } = await serviceDatabase(t)
  const pool = openPool({ max: 1 })
  const late = openEvents({ database: new Database({ pool, named: true }) })
  const { id } = await store.create(newSession({ userId: 'ada' }))
  const busy = await pool.connect()
  late.record({ kind: 'tokenMismatch', sessionId: id })
  const writing = late.flush()
  await busy.query('SELECT pg_sleep(0.2)') // far more than a statement takes to arrive
  await store.block(id, 'odd')
  busy.release()
  await writing
  const found = await events.ofSession(id)
  t.strictSame(found.map(({ kind }) => kind), ['began', 'tokenMismatch', 'blocked'])
  t.ok(Number(found[1]?.id) > Number(found[2]?.id), 'though it was written last')
})

void t.test('events are written within seconds without being asked for', async (t) => {
  const { events, pool } = await serviceDatabase(t)
  events.record({ kind: 'signedIn', userId: 'ada' })
  while ((await kindsIn(pool)).length === 0) await new Promise((resolve) => { setTimeout(resolve, 20) })
  t.strictSame(await kindsIn(pool), ['signedIn'])
})

void t.test('while the database takes none, events wait, a bounded number; what is dropped is counted, and the log is not flooded', async (t) => {
  const { openEvents, pool } = await serviceDatabase(t)
  const log = keepLog()
  const events = openEvents({ log, most: 3 })
  await pool.query('ALTER TABLE session_events RENAME TO away')
  const earlier = Date.now()
  for (const n of upTo(5)) events.record({ kind: 'signedIn', userId: `user ${n}` })
  for (let n = 0; n < 4; n++) await events.flush()
  t.equal(events.dropped, 2)
  t.strictSame(log.told.map(({ level }) => level), ['error', 'warn'])
  await pool.query('ALTER TABLE away RENAME TO session_events')
  await events.flush()
  const { rows } = await pool.query<{ user_id: string, at: Date }>('SELECT user_id, at FROM session_events ORDER BY id')
  t.strictSame(rows.map((row) => row.user_id), ['user 0', 'user 1', 'user 2'])
  t.ok(rows.every(({ at }) => Math.abs(at.getTime() - earlier) < 5_000))
  t.match(log.told.map(({ message }) => message).slice(2), [/events of sessions were dropped/, /written again/])
})

void t.test('an event that the database will never take holds up no other', async (t) => {
  const { openEvents, pool } = await serviceDatabase(t)
  const log = keepLog()
  const events = openEvents({ log })
  await pool.query("ALTER TABLE session_events ADD CHECK (user_id <> 'poison')")
  events.record({ kind: 'signedIn', userId: 'poison' })
  await events.flush()
  events.record({ kind: 'signedIn', userId: 'ada' })
  await events.flush()
  t.strictSame(await kindsIn(pool), ['signedIn'])
  t.equal(events.dropped, 1)
  t.match(log.told, [{ level: 'error', message: /refuses/ }])
})

void t.test('what is left is written at close; before the database was reached nothing is tried', async (t) => {
  const { openEvents, pool } = await serviceDatabase(t)
  const [events, early] = [openEvents(), openEvents({ isReady: () => false })]
  events.record({ kind: 'signedIn', userId: 'ada' })
  early.record({ kind: 'signedIn', userId: 'eve' })
  await Promise.all([events.close(), early.close()])
  t.strictSame((await pool.query('SELECT user_id FROM session_events')).rows, [{ user_id: 'ada' }])
})

void t.test('attack: no number of other events hides how a session began, was blocked and ended', async (t) => {
  const { store, events, pool } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  await store.block(id, 'odd')
  await pool.query("INSERT INTO session_events (session_id, user_id, kind) SELECT $1, 'ada', 'tokenMismatch' FROM generate_series(1, 1200)", [id])
  const kinds = (await events.ofSession(id)).map(({ kind }) => kind)
  t.strictSame(kinds.slice(0, 3), ['began', 'blocked', 'tokenMismatch'])
  t.equal(kinds.length, 1_002)
})

void t.test('a reason is cut between characters, never within one', async (t) => {
  const { store, events } = await serviceDatabase(t)
  const { id } = await store.create(newSession({ userId: 'ada' }))
  events.record({ kind: 'blockedByAdmin', sessionId: id, actorId: 'root', reason: `a${'\u{1f600}'.repeat(300)}` })
  t.equal((await events.ofSession(id)).at(-1)?.reason, `a${'\u{1f600}'.repeat(199)}`)
})
