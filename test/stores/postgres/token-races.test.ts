import t from 'tap'
import type { AccessFacts } from '../../../src/tokens/store.js'
import { deadlocks, lockWaits, newSession, SLIDE, upTo, whileLocked } from '../../helpers/pg-store.js'
import { access, newLineage, postgresTokens, rotate, tokenOf, type TokensOnPostgres } from '../../helpers/pg-tokens.js'

const AT_ONCE = { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 2_592_000 }
const LOCK = 'SELECT FROM sessions WHERE id = $1 FOR UPDATE'

/** Starts both while the session is locked by a third, the first before the second; resolves to their answers. */
async function inOrder<A, B> ({ openPool, pool }: TokensOnPostgres, id: string, first: () => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
  const holder = openPool({ max: 1 })
  const [one, two] = await whileLocked(holder, LOCK, [id], async () => {
    const one = first()
    await lockWaits(pool, 1)
    const two = second()
    await lockWaits(pool, 2)
    return [{ answer: one }, { answer: two }]
  })
  if (one === undefined || two === undefined) throw new Error('there should be two')
  return await Promise.all([one.answer as Promise<A>, two.answer as Promise<B>])
}

const ENDINGS: Readonly<Record<string, (on: TokensOnPostgres, id: string) => Promise<unknown>>> = {
  'a block': ({ store }, id) => store.block(id, 'test'),
  'a revoke': ({ tokens }, id) => tokens.revokeRefreshToken(id, 'logout'),
  'a delete': ({ store }, id) => store.delete(id),
  'a delete of all of the user\'s': ({ store }) => store.deleteByUser('ada'),
  'a DELETE in psql': ({ pool }, id) => pool.query('DELETE FROM sessions WHERE id = $1', [id])
}

for (const [name, end] of Object.entries(ENDINGS)) {
  for (const isRotationFirst of [true, false]) {
    void t.test(`${name} that waits ${isRotationFirst ? 'behind' : 'before'} a rotation leaves nothing of the session that works`, async (t) => {
      const on = await postgresTokens(t)
      const { tokens, store, signIn, pool } = on
      const { id, secretHash } = await signIn()
      const rotation = () => tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)
      const ending = () => end(on, id)
      const issued: AccessFacts[] = []
      if (isRotationFirst) {
        const [rotated] = await inOrder(on, id, rotation, ending)
        t.equal(rotated.found, 'ROTATE')
        if (rotated.facts !== null) issued.push(access(rotated.facts))
      } else {
        const [, { found, facts }] = await inOrder(on, id, ending, rotation)
        t.match(found, /^(?:REVOKED|BLOCKED)$/)
        t.equal(facts, null)
      }
      for (const generation of [1, 2, 3]) t.equal((await rotate(tokens, id, generation)).facts, null)
      for (const token of issued) t.equal(await tokens.isAccessValid(token), false, 'the access token that the rotation gave')
      t.equal(await store.get(id), null)
      t.equal(await store.save(id, secretHash, SLIDE), null)
      t.equal(await tokens.createRefreshToken(newLineage(id)), null)
      await Promise.all([store.close(), tokens.close()])
      t.equal(await deadlocks(pool), 0)
    })
  }
}

void t.test('of two rotations that waited one rotates, and the other sees it and gives the same successor', async (t) => {
  const on = await postgresTokens(t)
  const { id } = await on.signIn()
  const other = on.openTokens()
  const [first, second] = await inOrder(on, id, () => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE), () => other.rotateRefreshToken(tokenOf(id, 1), AT_ONCE))
  t.equal(first.found, 'ROTATE')
  t.equal(second.found, 'REPLAY')
  t.same([first.facts?.generation, second.facts?.generation], [2, 2])
})

void t.test('a rotation that waited behind new claims says them', async (t) => {
  const on = await postgresTokens(t)
  const { id } = await on.signIn()
  const [, rotated] = await inOrder(on, id, () => on.store.setClaims('ada', { isAdmin: true }), () => on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE))
  t.equal(rotated.found, 'ROTATE')
  t.same(rotated.facts?.claims, { isAdmin: true })
})

void t.test('a rotation that waited past the session\'s end finds it expired', async (t) => {
  const on = await postgresTokens(t)
  const { id } = await on.signIn()
  await on.pool.query("UPDATE sessions SET expires_at = clock_timestamp() + interval '300 milliseconds' WHERE id = $1", [id])
  const [rotation] = await whileLocked(on.openPool({ max: 1 }), LOCK, [id], async () => {
    const answer = on.tokens.rotateRefreshToken(tokenOf(id, 1), AT_ONCE)
    await lockWaits(on.pool, 1)
    await on.pool.query('SELECT pg_sleep_until(expires_at) FROM sessions WHERE id = $1', [id])
    return [{ answer }]
  })
  t.same(await rotation?.answer, { found: 'EXPIRED', facts: null })
})

void t.test('a lineage that begins behind an end of its session does not begin', async (t) => {
  const on = await postgresTokens(t)
  for (const end of Object.values(ENDINGS)) {
    const { id } = await on.store.create(newSession({ userId: 'ada' }))
    const [, lineage] = await inOrder(on, id, () => end(on, id), () => on.tokens.createRefreshToken(newLineage(id)))
    t.equal(lineage, null)
  }
})

void t.test('rotations, confirmations, saves, blocks, revokes and deletes of the same sessions from two processes never deadlock', async (t) => {
  const on = await postgresTokens(t)
  const { store, tokens, pool } = on
  const other = on.openTokens()
  for (let round = 0; round < 8; round++) {
    const sessions = await Promise.all(upTo(8).map(() => on.signIn()))
    await Promise.all(upTo(4).flatMap((n) => (n % 2 === 0 ? sessions : sessions.toReversed()).flatMap(({ id, secretHash }, k) => [
      (n % 2 === 0 ? tokens : other).rotateRefreshToken(tokenOf(id, 1 + n % 2), AT_ONCE),
      other.confirmRefreshToken(id, 2),
      store.save(id, secretHash, SLIDE),
      ...(k === n ? [store.block(id, 'test')] : []),
      ...(k === n + 4 ? [tokens.revokeRefreshToken(id, 'logout'), store.delete(id)] : []),
      ...(k === 0 ? [store.setClaims('ada', { round, n })] : [])
    ])))
    await Promise.all([store.deleteByUser('ada'), ...sessions.map(({ id }) => rotate(other, id, 2))])
  }
  await Promise.all([store.close(), tokens.close(), other.close()])
  t.equal(await deadlocks(pool), 0)
  t.same((await pool.query('SELECT FROM refresh_tokens')).rowCount, 0)
})
