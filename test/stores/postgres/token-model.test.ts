import fc from 'fast-check'
import type pg from 'pg'
import t from 'tap'
import { newId } from '../../../src/core/credential.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { advance, decide, isAnswered, type Lineage, type LineageSession, type PresentedToken } from '../../../src/tokens/rotation.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { DAY } from '../../../src/testing/fixtures.js'
import { hashOf, RULES } from '../../../src/testing/token-fixtures.js'
import { freshDatabase } from '../../helpers/database.js'
import { batchSizes } from '../../helpers/batch-sizes.js'

/** `SEED=<n>` repeats a run that failed; fast-check's message tells the number. */
const SEED = process.env['SEED']
const PARAMETERS = { ...(SEED !== undefined && { seed: Number(SEED) }) }
const MAX_AGE = 7_200

/** Seconds before now: on both sides of R and W, never nearer to them than a slow machine takes for a run. */
const ago = fc.integer({ min: 0, max: 25 }).map((n) => n * 60 + 30)

/** The first far more often than the others. */
const mostly = <T>(...[first, ...others]: [T, ...T[]]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(first) }, ...others.map((other) => ({ weight: 1, arbitrary: fc.constant(other) })))

/** What a hand in the database can make of a row, and any token with a good MAC. */
const state = fc.record({
  generation: fc.integer({ min: 3, max: 6 }),
  /** Of the presented token: how many generations it is behind the newest. */
  behind: fc.constantFrom(0, 0, 0, 1, 1, 1, 1, 2, -1),
  /** Whether the secrets are those of their generations. */
  current: mostly('own', 'other'),
  previous: mostly('own', 'other', 'none'),
  hash: mostly('own', 'other'),
  /** Whose successors it has: a node with several keys shows one of each. */
  successors: mostly<readonly ['own' | 'other', ...Array<'own' | 'other'>]>(['own'], ['other'], ['own', 'other'], ['other', 'own'], ['other', 'other']),
  deliveredAgo: ago,
  confirmedAgo: fc.option(ago, { freq: 2 }),
  replays: fc.integer({ min: 0, max: 3 }),
  isRevoked: mostly(false, true),
  isBlocked: mostly(false, true),
  expiresIn: mostly(3_600, -60),
  hasMaxAge: fc.boolean(),
  lineageUser: mostly('ada', 'bob'),
  sessionUser: mostly<string | null>('ada', 'bob', null),
  requestUser: mostly<string | null>(null, 'ada', 'bob')
})
type State = typeof state extends fc.Arbitrary<infer T> ? T : never

const OTHER = 99
const secret = (id: string, generation: number, choice: string): Buffer => Buffer.from(hashOf(id, choice === 'own' ? generation : OTHER))

function tokenOf (id: string, given: State): PresentedToken {
  const successorOf = (choice: string): Buffer => secret(id, given.generation - given.behind + 1, choice)
  const [first, ...others] = given.successors
  return {
    sessionId: id,
    generation: given.generation - given.behind,
    hash: secret(id, given.generation - given.behind, given.hash),
    successorHashes: [successorOf(first), ...others.map(successorOf)],
    requestUserId: given.requestUser
  }
}

async function insert (pool: pg.Pool, id: string, given: State): Promise<{ lineage: Lineage, session: LineageSession & { absoluteExpiresAt: number } }> {
  const { rows: [row] } = await pool.query(`
    WITH c AS (SELECT date_trunc('milliseconds', clock_timestamp()) AS at), s AS (
      INSERT INTO sessions (id, secret_hash, user_id, created_at, expires_at, absolute_expires_at, last_seen_at, max_age, blocked_at, blocked_reason)
      SELECT $1, '', $2, at, at + $3 * interval '1 second', at + interval '60 days', at, $4, CASE WHEN $5 THEN at END, CASE WHEN $5 THEN 'test' END FROM c
      RETURNING id
    )
    INSERT INTO refresh_tokens (session_id, user_id, generation, token_hash, previous_hash, created_at, updated_at, delivered_at, confirmed_at, replays, revoked_at)
    SELECT s.id, $6, $7, $8, $9, at, at, at - $10 * interval '1 second', at - $11 * interval '1 second', $12, CASE WHEN $13 THEN at END FROM c CROSS JOIN s
    RETURNING (extract(epoch FROM created_at) * 1000)::float8 AS at`,
  [id, given.sessionUser, given.expiresIn, given.hasMaxAge ? MAX_AGE : null, given.isBlocked, given.lineageUser, given.generation,
    secret(id, given.generation, given.current), given.previous === 'none' ? null : secret(id, given.generation - 1, given.previous),
    given.deliveredAgo, given.confirmedAgo, given.replays, given.isRevoked])
  const at: number = row.at
  return {
    lineage: {
      generation: given.generation,
      tokenHash: secret(id, given.generation, given.current),
      previousHash: given.previous === 'none' ? null : secret(id, given.generation - 1, given.previous),
      userId: given.lineageUser,
      deliveredAt: at - given.deliveredAgo * 1000,
      confirmedAt: given.confirmedAgo === null ? null : at - given.confirmedAgo * 1000,
      replays: given.replays,
      revokedAt: given.isRevoked ? at : null
    },
    session: { userId: given.sessionUser, expiresAt: at + given.expiresIn * 1000, absoluteExpiresAt: at + 60 * DAY * 1000, blockedAt: given.isBlocked ? at : null }
  }
}

async function stored (pool: pg.Pool, id: string): Promise<{ lineage: Lineage, expiresAt: number, blockedReason: string | null }> {
  const ms = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::float8`
  const { rows: [row] } = await pool.query(`
    SELECT r.generation, r.token_hash AS "tokenHash", r.previous_hash AS "previousHash", r.user_id AS "userId", ${ms('r.delivered_at')} AS "deliveredAt",
      ${ms('r.confirmed_at')} AS "confirmedAt", r.replays, ${ms('r.revoked_at')} AS "revokedAt", ${ms('s.expires_at')} AS "expiresAt", s.blocked_reason AS "blockedReason"
    FROM refresh_tokens AS r JOIN sessions AS s ON s.id = r.session_id WHERE s.id = $1`, [id])
  const { expiresAt, blockedReason, ...lineage } = row
  return { lineage, expiresAt, blockedReason }
}

/** Puts the rows into these states, judges a token of each, all at once, and compares. @throws where the SQL says other than `decide` and `advance` */
async function check (pool: pg.Pool, tokens: PostgresTokenStore, states: readonly State[], met: Map<string, number>): Promise<void> {
  const before = await Promise.all(states.map(async (given) => {
    const id = newId()
    return { id, given, token: tokenOf(id, given), ...await insert(pool, id, given) }
  }))
  const looked = await Promise.all(before.map(({ token }) => tokens.getUserFromRefreshToken(token, RULES)))
  const untouched = await Promise.all(before.map(({ id }) => stored(pool, id)))
  const rotations = await Promise.all(before.map(({ token }) => tokens.rotateRefreshToken(token, RULES)))
  await Promise.all(before.map(async ({ id, given, token, lineage, session }, n) => {
    const rotation = rotations[n]
    if (rotation === undefined) throw new Error('there should be an answer for each')
    const after = await stored(pool, id)
    const at = rotation.facts?.at ?? tokens.now()
    const found = decide(lineage, session, token, at, RULES)
    met.set(found, (met.get(found) ?? 0) + 1)

    if (rotation.found !== found || looked[n]?.found !== found) throw new Error(`decide says ${found}, a look ${looked[n]?.found}, a rotation ${rotation.found}`)
    same(untouched[n]?.lineage, lineage, 'a look changes nothing')
    same(after.lineage, advance(lineage, found, token, at), 'the lineage after')
    const ownEnd = Math.min(at + (given.hasMaxAge ? MAX_AGE : RULES.refreshTtl) * 1000, session.absoluteExpiresAt)
    same(after.expiresAt, found === 'ROTATE' ? ownEnd : session.expiresAt, 'the end')
    same(after.blockedReason, found === 'REUSE' ? 'refresh_reuse' : given.isBlocked ? 'test' : null, 'the block')
    if (rotation.facts !== null) {
      const { generation, tokenHash, deliveredAt } = advance(lineage, found, token, at)
      const { tokenHash: told, ...facts } = rotation.facts
      same(facts, { sessionId: id, userId: given.lineageUser, claims: {}, authenticatedAt: null, expiresAt: after.expiresAt, generation, deliveredAt, at, issuedAt: at }, 'the facts')
      same(Buffer.from(told), Buffer.from(tokenHash), 'the newest token')
    }
    same(rotation.facts !== null, isAnswered(found), 'facts go with an answer')
  }))
}

for (const [name, atOnce, numRuns] of [['a rotation', 1, 500], ['many rotations', 8, 120]] as const) {
  void t.test(`the SQL of ${name} finds the case that decide finds, and leaves the row that advance makes, from any state`, async (t) => {
    const { connectionString, pool } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
    const tokens = new PostgresTokenStore({ connectionString })
    t.teardown(() => tokens.close())
    const met = new Map<string, number>()
    const sizes = batchSizes(t)
    await fc.assert(fc.asyncProperty(fc.array(state, { minLength: atOnce, maxLength: atOnce }), (states) => check(pool, tokens, states, met)), { ...PARAMETERS, numRuns })
    t.equal(met.size, 11, `cases met: ${[...met].map(([found, count]) => `${found} ${count}`).join(', ')}`)
    t.same([...new Set(sizes)], [atOnce], 'sessions of a statement')
  })
}

function same (got: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(sorted(got)) !== JSON.stringify(sorted(wanted))) throw new Error(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`)
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? Object.fromEntries(Object.entries(value).sort()) : value
