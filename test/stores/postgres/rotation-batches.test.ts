import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { SessionRecord } from '../../../src/session/store.js'
import type { Rotation } from '../../../src/tokens/store.js'
import { batchSizes } from '../../helpers/batch-sizes.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { deadlocks, found, lockWaits, newSession, upTo, whileLocked } from '../../helpers/pg-store.js'
import { begun, newLineage, postgresTokens, tokenOf, type TokensOnPostgres } from '../../helpers/pg-tokens.js'

const AT_ONCE = { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 2_592_000 }
/** The most that a column of type integer holds is a bit less. */
const TOO_LARGE = 3_000_000_000
const OPPOSITE_ROUNDS = 150

const signIn = (on: TokensOnPostgres, count: number): Promise<SessionRecord[]> => Promise.all(upTo(count).map(() => on.signIn()))
const cases = (rotations: readonly Rotation[]): string[] => rotations.map(({ found }) => found)

void t.test('rotations that are asked for at once are one statement', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 12)
  const proxy = await openFaultProxy(t, on.connectionString)
  const tokens = on.openTokens({ connectionString: proxy.connectionString })
  await tokens.isAccessValid({ sessionId: found(sessions[0]).id, userId: 'ada', issuedAt: 0 }) // connects
  const before = proxy.statements
  const rotations = await Promise.all(sessions.map(({ id }) => tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)))
  t.equal(proxy.statements - before, 1)
  t.same(cases(rotations), sessions.map(() => 'ROTATE'))
  t.same(rotations.map(({ facts }) => [facts?.sessionId, facts?.generation]), sessions.map(({ id }) => [id, 2]), 'each is told of its own')
})

for (const [what, lock] of [
  ['session', 'SELECT FROM sessions WHERE id = $1 FOR UPDATE'],
  ['lineage', 'SELECT FROM refresh_tokens WHERE session_id = $1 FOR UPDATE']
] as const) {
  void t.test(`a ${what} that another connection has locked delays no other rotation of its batch`, async (t) => {
    const on = await postgresTokens(t)
    const sessions = await signIn(on, 6)
    const [locked] = sessions
    const [waiting] = await whileLocked(on.openPool({ max: 1 }), lock, [locked?.id], async () => {
      const [first, ...others] = sessions.map(({ id }) => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE))
      t.same(cases(await Promise.all(others)), others.map(() => 'ROTATE'), 'while it is locked')
      await lockWaits(on.pool, 1)
      const next = found(sessions[1])
      t.equal((await on.tokens.rotateRefreshToken(tokenOf(next.id, 2), AT_ONCE)).found, 'ROTATE', 'and the next goes out')
      return [{ answer: first }]
    })
    t.equal((await waiting?.answer)?.found, 'ROTATE')
  })
}

void t.test('a stolen token that comes again in a batch blocks its own session and no other', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 5)
  const victim = found(sessions[2])
  for (const generation of [1, 2]) await on.tokens.rotateRefreshToken(tokenOf(victim.id, generation), AT_ONCE)
  const rotations = await Promise.all(sessions.map(({ id }) => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)))
  t.same(cases(rotations), ['ROTATE', 'ROTATE', 'REUSE', 'ROTATE', 'ROTATE'])
  const { rows } = await on.pool.query('SELECT id, blocked_reason FROM sessions WHERE blocked_at IS NOT NULL')
  t.same(rows, [{ id: victim.id, blocked_reason: 'refresh_reuse' }])
  t.same((await on.pool.query('SELECT session_id, kind FROM revocations')).rows, [{ session_id: victim.id, kind: 'blocked' }])
})

void t.test('a token of one session in the name of another, forged or ended among good ones, is refused as it is alone', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 6)
  const [a, b, c, d, e, f] = sessions.map((session) => found(session).id)
  if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined || f === undefined) throw new Error('there should be six')
  await on.store.delete(c)
  await on.store.block(d, 'test')
  const rotations = await Promise.all([
    tokenOf(a, 1),
    { ...tokenOf(a, 1), sessionId: b }, // the hashes of another session
    tokenOf(c, 1),
    tokenOf(d, 1),
    { ...tokenOf(e, 1), requestUserId: 'null' },
    { ...tokenOf(f, 1), requestUserId: '"}, {\\ NULL' }
  ].map((token) => on.tokens.rotateRefreshToken(token, AT_ONCE)))
  t.same(cases(rotations), ['ROTATE', 'MISMATCH', 'REVOKED', 'BLOCKED', 'WRONG_USER', 'WRONG_USER'])
  const { rows } = await on.pool.query('SELECT session_id FROM refresh_tokens WHERE generation <> 1')
  t.same(rows, [{ session_id: a }], 'one has changed')
})

void t.test('a user whose name is punctuation of arrays is known again in a batch', async (t) => {
  const on = await postgresTokens(t)
  const names = ['null', '{}', 'a,b', '"', '\\', 'O\'Neil "x" {y}', 'ünï 😀', 'a hand in psql:\ttab\nline \u0001']
  const sessions = await Promise.all(names.map(async (userId) => begun(await on.tokens.createRefreshToken({ ...newLineage((await on.store.create(newSession({ userId }))).id), userId }))))
  const rotations = await Promise.all(sessions.map(({ id }, n) => on.tokens.rotateRefreshToken({ ...tokenOf(id, 1), requestUserId: names[n] ?? null }, AT_ONCE)))
  t.same(rotations.map(({ found, facts }) => [found, facts?.userId]), names.map((name) => ['ROTATE', name]))
})

void t.test('a token that the database refuses fails alone, whatever batch it comes with', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 4)
  const sizes = batchSizes(t)
  const settled = await Promise.allSettled(sessions.map(({ id }, n) => on.tokens.rotateRefreshToken(tokenOf(id, n === 1 ? TOO_LARGE : 1), AT_ONCE)))
  t.match(settled, [{ value: { found: 'ROTATE' } }, { status: 'rejected', reason: { code: 'ERR_STORE' } }, { value: { found: 'ROTATE' } }, { value: { found: 'ROTATE' } }])
  t.same(sizes, [4])
})

void t.test('when the database fails, all of a batch fail, nothing is rotated, and the next batch works', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 3)
  const rotateAll = () => Promise.allSettled(sessions.map(({ id }) => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)))
  await on.pool.query('ALTER TABLE refresh_tokens RENAME TO away')
  t.match(await rotateAll(), sessions.map(() => ({ status: 'rejected', reason: { code: 'ERR_STORE' } })))
  await on.pool.query('ALTER TABLE away RENAME TO refresh_tokens')
  t.match(await rotateAll(), sessions.map(() => ({ value: { found: 'ROTATE', facts: { generation: 2 } } })))
})

void t.test('two tabs that present one token at once get one successor, in two statements', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 3)
  const sizes = batchSizes(t)
  const rotations = await Promise.all([...sessions, ...sessions].map(({ id }) => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)))
  t.same(cases(rotations), [...sessions.map(() => 'ROTATE'), ...sessions.map(() => 'REPLAY')])
  t.same(sizes, [3, 3])
})

void t.test('each token is judged by the rules it came with', async (t) => {
  const on = await postgresTokens(t)
  const [a, b, c] = await signIn(on, 3)
  const strict = { ...AT_ONCE, minGenerationAge: 3_600 }
  const rotations = await Promise.all([
    on.tokens.rotateRefreshToken(tokenOf(found(a).id, 1), AT_ONCE),
    on.tokens.rotateRefreshToken(tokenOf(found(b).id, 1), strict),
    on.tokens.rotateRefreshToken(tokenOf(found(c).id, 1), { ...AT_ONCE })
  ])
  t.same(cases(rotations), ['ROTATE', 'EARLY', 'ROTATE'])
})

void t.test('batches of the same lineages in opposite orders, with confirmations and a block between, never deadlock', async (t) => {
  const on = await postgresTokens(t)
  const sides = [on.openTokens(), on.openTokens()]
  const sessions = await signIn(on, 16)
  const [blocked, ...others] = sessions
  for (let generation = 1; generation <= OPPOSITE_ROUNDS; generation++) {
    const [one, two] = await Promise.all(sides.map((tokens, side) => Promise.all((side === 0 ? others : others.toReversed()).flatMap(({ id }, n) => [
      tokens.rotateRefreshToken(tokenOf(id, generation), AT_ONCE),
      ...(n % 4 === 0 ? [tokens.confirmRefreshToken(id, generation).then(() => null)] : [])
    ]))))
    const met = [...one ?? [], ...(two ?? [])].flatMap((rotation) => rotation === null ? [] : [rotation.found])
    if (met.filter((name) => name === 'ROTATE').length !== others.length || met.filter((name) => name === 'REPLAY').length !== others.length) {
      throw new Error(`of each token one side makes the successor and the other gives it again; generation ${generation}: ${met.join()}`)
    }
    if (generation === OPPOSITE_ROUNDS / 2) await Promise.all([...sides.map((tokens) => tokens.rotateRefreshToken(tokenOf(found(blocked).id, 1), AT_ONCE)), on.store.block(found(blocked).id, 'test')])
  }
  await Promise.all([...sides.map((tokens) => tokens.close()), on.store.close(), on.tokens.close()])
  t.equal(await deadlocks(on.pool), 0)
})

for (const isolation of ['read committed', 'repeatable read']) {
  void t.test(`what others commit between a batch's look at the rows and its locks is judged as it then is (${isolation})`, async (t) => {
    const on = await postgresTokens(t)
    const role = `policed_${randomBytes(8).toString('hex')}`
    t.teardown(() => on.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
    const sessions = await signIn(on, 5)
    const ids = sessions.map(({ id }) => id)
    const [rotated = '', blocked = '', ended = '', renamed = ''] = ids
    // a policy is evaluated on the row as the snapshot shows it, before the row is locked
    await on.pool.query(`
      CREATE ROLE ${role};
      GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
      CREATE FUNCTION paused() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END $$;
      ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
      CREATE POLICY paused ON sessions TO ${role} USING (paused())`)
    const tokens = on.openTokens({ pool: on.openPool({ options: `-c role=${role} -c default_transaction_isolation=${isolation.replace(' ', '\\ ')}` }) })
    const [batch] = await whileLocked(on.openPool({ max: 1 }), 'SELECT pg_advisory_xact_lock(7)', [], async () => {
      const answers = Promise.all(ids.map((id) => tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)))
      await lockWaits(on.pool, 1)
      await on.tokens.rotateRefreshToken(tokenOf(rotated, 1), AT_ONCE)
      await on.store.block(blocked, 'test')
      await on.store.delete(ended)
      await on.pool.query("UPDATE sessions SET claims = '{\"isAdmin\": true}' WHERE id = $1", [renamed])
      return [answers]
    })
    const rotations = await batch ?? []
    t.same(cases(rotations), ['REPLAY', 'BLOCKED', 'REVOKED', 'ROTATE', 'ROTATE'])
    t.same(rotations.map(({ facts }) => facts?.generation), [2, undefined, undefined, 2, 2])
    t.same(rotations[3]?.facts?.claims, { isAdmin: true })
  })
}

void t.test('a rotation that is queued when the store is closed is answered first', async (t) => {
  const on = await postgresTokens(t)
  const sessions = await signIn(on, 3)
  const rotations = sessions.map(({ id }) => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE))
  await on.tokens.close()
  t.same(cases(await Promise.all(rotations)), sessions.map(() => 'ROTATE'))
})
