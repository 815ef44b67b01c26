import type pg from 'pg'
import t, { type Test } from 'tap'
import { newId } from '../../../src/core/credential.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { ALL_SESSIONS as ALL } from '../../../src/stores/postgres/revocation-statements.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { put } from '../../../src/testing/fixtures.js'
import { freshDatabase } from '../../helpers/database.js'
import { newSession, SLIDE, upTo } from '../../helpers/pg-store.js'
import { begun, issue, newLineage, postgresTokens, Told, tokenOf } from '../../helpers/pg-tokens.js'

async function noted (pool: pg.Pool): Promise<Array<{ session: string, kind: string, reason: string | null }>> {
  return (await pool.query('SELECT session_id AS session, kind, reason FROM revocations ORDER BY at, kind')).rows
}

/** What a hand in psql does to the session of `$1`, and what that is. */
const BY_HAND: ReadonlyArray<readonly [statement: string, kind: string, reason: string | null]> = [
  ['DELETE FROM sessions WHERE id = $1', 'ended', 'deleted'],
  ['DELETE FROM sessions WHERE $1::uuid IS NOT NULL', 'ended', 'deleted'],
  ["UPDATE sessions SET blocked_at = now(), blocked_reason = 'by hand' WHERE id = $1", 'blocked', 'by hand'],
  ["UPDATE sessions SET claims = '{\"isAdmin\": false}' WHERE id = $1", 'changed', 'claims'],
  ["UPDATE sessions SET user_id = 'bob' WHERE id = $1", 'changed', 'user'],
  ['UPDATE sessions SET user_id = NULL WHERE id = $1', 'changed', 'user'],
  ["UPDATE sessions SET expires_at = expires_at - interval '1 second' WHERE id = $1", 'changed', 'expiry'],
  ["UPDATE sessions SET expires_at = '-infinity', last_seen_at = now() WHERE id = $1", 'changed', 'expiry'],
  ["WITH gone AS (DELETE FROM refresh_tokens WHERE session_id = $1) UPDATE sessions SET id = '11111111-1111-4111-8111-111111111111' WHERE id = $1", 'ended', 'renewed']
]

for (const [statement, kind, reason] of BY_HAND) {
  void t.test(`told and noted, and refused with or without a watch: ${statement}`, async (t) => {
    const { pool, tokens, openTokens, signIn } = await postgresTokens(t)
    const { id } = await signIn()
    const token = await issue(tokens, id)
    const told = new Told()
    openTokens().watchRevocations(told)
    await told.hears('reset')
    await pool.query(statement, [id])
    await told.hears(`${kind} ${id}`)
    t.ok((told.revocations[0]?.at ?? 0) >= token.issuedAt)
    t.equal(told.revocations[0]?.reason, reason)
    t.same(await noted(pool), [{ session: id, kind, reason }])
    t.equal(await tokens.isAccessValid(token), false)
  })
}

void t.test('attack: who deletes a lineage by hand does not keep its access tokens alive: a logout after it refuses them, with a watch and without', async (t) => {
  const { pool, tokens, openTokens, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  const token = await issue(tokens, id)
  const told = new Told()
  openTokens().watchRevocations(told)
  await told.hears('reset')
  await pool.query('DELETE FROM refresh_tokens WHERE session_id = $1', [id])
  t.equal(await tokens.revokeRefreshToken(id, 'logout'), true)
  await told.hears(`changed ${id}`)
  t.ok((told.revocations[0]?.at ?? 0) >= token.issuedAt)
  t.same(await noted(pool), [{ session: id, kind: 'changed', reason: 'expiry' }])
  t.equal(await tokens.isAccessValid(token), false)
})

void t.test('TRUNCATE refuses every access token, and is told as the end of all', async (t) => {
  const { pool, tokens, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  const token = await issue(tokens, id)
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await pool.query('TRUNCATE sessions CASCADE')
  await told.hears('ended null')
  t.same(await noted(pool), [{ session: ALL, kind: 'ended', reason: 'truncated' }])
  t.equal(await tokens.isAccessValid(token), false)
  await pool.query("INSERT INTO sessions (id, secret_hash, user_id, expires_at, absolute_expires_at) VALUES ($1, '', 'ada', 'infinity', 'infinity')", [id])
  t.equal(await tokens.isAccessValid(token), false, 'also when such a session is there again')
  const later = new Told()
  tokens.watchRevocations(later)
  await later.hears('reset')
  t.match(later.revocations, [{ sessionId: null, kind: 'ended' }])
})

void t.test('a block that is lifted by hand is told and noted no more', async (t) => {
  const { pool, tokens, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  const token = await issue(tokens, id)
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await pool.query('UPDATE sessions SET blocked_at = now() WHERE id = $1', [id])
  await told.hears(`blocked ${id}`)
  await pool.query('UPDATE sessions SET blocked_at = NULL WHERE id = $1', [id])
  await told.hears(`lifted ${id}`)
  t.same(told.lines, ['reset', `blocked ${id}`, `lifted ${id}`])
  t.same(await noted(pool), [])
  t.equal(await tokens.isAccessValid(token), true)
})

void t.test('the reason of a revocation by the store is that of the revoke; of each kind there is one a session, the last', async (t) => {
  const { pool, tokens, store, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  for (const n of upTo(3)) await store.setClaims('ada', { n })
  await tokens.revokeRefreshToken(id, 'password changed')
  t.same(await noted(pool), [{ session: id, kind: 'changed', reason: 'password changed' }])
  const { rows: [row] } = await pool.query("SELECT until - at = interval '61 minutes' AS hour FROM revocations")
  t.equal(row.hour, true)
})

void t.test('use, visitors, what has expired and what changes nothing are not noted', async (t) => {
  const { pool, tokens, store, signIn } = await postgresTokens(t)
  const visitor = await store.create(newSession())
  await store.block(visitor.id, 'test')
  await store.delete(visitor.id)
  const { id, secretHash } = await signIn()
  for (const n of upTo(3)) await store.save(id, secretHash, n === 1 ? SLIDE : put({ n }))
  await tokens.rotateRefreshToken(tokenOf(id, 1), { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 2_592_000 })
  await store.setClaims('ada', {})
  await store.unblock(id)
  t.same(await noted(pool), [])
  await pool.query("SET session_replication_role = replica; UPDATE sessions SET expires_at = now() - interval '1 second', expiry_bucket = 0; RESET session_replication_role")
  t.equal(await store.cleanup(), 1)
  t.same(await noted(pool), [])
  t.same((await pool.query('SELECT FROM refresh_tokens')).rowCount, 0, 'the lineage went with its session')
})

void t.test('the first access token holds though its lineage shortens the session; one of before a later shortening does not', async (t) => {
  const { pool, tokens, store } = await postgresTokens(t)
  const { id } = await store.create(newSession({ userId: 'ada', idleSeconds: 80_000 }))
  const { readAt } = begun(await tokens.createRefreshToken(newLineage(id, { idleSeconds: 600 })))
  const first = { sessionId: id, userId: 'ada', issuedAt: readAt.getTime() }
  t.same(await noted(pool), [])
  t.equal(await tokens.isAccessValid(first), true)
  await pool.query("UPDATE sessions SET expires_at = expires_at - interval '1 minute', last_seen_at = clock_timestamp()")
  t.equal(await tokens.isAccessValid(first), false)
})

void t.test('a reason of any length and any letters neither stops a block nor the watch', async (t) => {
  const { pool, tokens, store, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  const reason = '\u0001"\\😀'.repeat(5_000)
  t.equal(await store.block(id, reason), true)
  await told.hears(`blocked ${id}`)
  t.equal(told.revocations[0]?.reason, [...reason].slice(0, 200).join(''))
  for (const nonsense of ['nonsense', '', 'ended', 'ended x', `gone ${id}`, `ended ${id} `, `ended  ${id}`, `ended ${id.toUpperCase()}`, `{"session":"${id}"}`]) await pool.query('SELECT pg_notify($1, $2)', [tables().channel, nonsense])
  await store.unblock(id)
  await told.hears(`lifted ${id}`)
  t.equal(told.lines.length, 3, 'what no trigger of ours has said is passed over')
})

/** Opens stores on tables of these names. */
async function named (t: Test, connectionString: string, names: { schema: string, tableName: string }) {
  await migrate({ connectionString, ...names })
  const store = new PostgresStore({ connectionString, ...names })
  const tokens = new PostgresTokenStore({ connectionString, ...names })
  t.teardown(() => Promise.all([store.close(), tokens.close()]))
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  return { store, tokens, told }
}

void t.test('tables of other names, the longest included, have channels and revocations of their own', async (t) => {
  const { connectionString } = await freshDatabase(t)
  const long = 'a'.repeat(63)
  const all: Array<Awaited<ReturnType<typeof named>>> = []
  for (const names of [
    { schema: 'public', tableName: 'sessions' }, { schema: 'public', tableName: 'visits' }, { schema: 'shop', tableName: 'sessions' },
    { schema: long, tableName: long }, { schema: long, tableName: `${long.slice(1)}b` }, { schema: 'select', tableName: 'table' }
  ]) all.push(await named(t, connectionString, names))
  const ended: string[] = []
  for (const { store, tokens, told } of all) {
    const { id } = await store.create(newSession({ userId: 'ada' }))
    const { readAt } = begun(await tokens.createRefreshToken(newLineage(id)))
    await tokens.revokeRefreshToken(id, 'test')
    await told.hears(`changed ${id}`)
    t.equal(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: readAt.getTime() }), false)
    ended.push(id)
  }
  t.same(all.map(({ told }) => told.lines), ended.map((id) => ['reset', `changed ${id}`]))
})

void t.test('cleanup removes revocations that are in force no more, in batches, and no others', async (t) => {
  const { pool, store } = await postgresTokens(t)
  await pool.query('INSERT INTO revocations SELECT gen_random_uuid(), \'ended\', NULL, now() - interval \'2 hours\', now() - n * interval \'1 minute\' FROM generate_series(-4, 25) AS n')
  t.equal(await store.cleanup({ signal: AbortSignal.abort() }), 0)
  t.equal((await noted(pool)).length, 30)
  t.equal(await store.cleanup({ batchSize: 10 }), 0, 'it answers the number of sessions')
  t.equal((await noted(pool)).length, 4)
})

void t.test('a watch begins with what is in force, and leaves out what is not', async (t) => {
  const { pool, tokens } = await postgresTokens(t)
  const id = newId()
  await pool.query("INSERT INTO revocations VALUES ($1, 'ended', NULL, now(), now() + interval '1 minute'), (gen_random_uuid(), 'ended', NULL, now(), now() - interval '1 second')", [id])
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  t.match(told.revocations, [{ sessionId: id, kind: 'ended', reason: null }])
  t.equal(told.revocations.length, 1)
})
