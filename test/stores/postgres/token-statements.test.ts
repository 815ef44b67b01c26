import pg from 'pg'
import t, { type Test } from 'tap'
import { newId } from '../../../src/core/credential.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { cleanUpRevocations } from '../../../src/stores/postgres/revocation-statements.js'
import type { Statement } from '../../../src/stores/postgres/statement.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import * as sql from '../../../src/stores/postgres/token-statements.js'
import { freshDatabase } from '../../helpers/database.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { prepare, scans } from '../../helpers/pg-plans.js'
import { ownServer } from '../../helpers/pg-server.js'
import { newSession, seed, until, upTo } from '../../helpers/pg-store.js'
import { begun, newLineage, postgresTokens, rotate, RULES, tokenOf } from '../../helpers/pg-tokens.js'

const AT_ONCE = { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 2_592_000 }
const ROWS = 100_000

void t.test('every method is one statement, whatever case is found', async (t) => {
  const { connectionString, signIn, openTokens, store } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const tokens = openTokens({ connectionString: proxy.connectionString })
  const { id } = await signIn()
  const counts = async (label: string, work: () => Promise<unknown>): Promise<void> => {
    const before = proxy.statements
    await work()
    t.equal(proxy.statements - before, 1, label)
  }
  const finds = async (wanted: string, generation: number): Promise<void> => await counts(wanted, async () => {
    t.equal((await tokens.rotateRefreshToken(tokenOf(id, generation), AT_ONCE)).found, wanted)
  })
  await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: 0 }) // connects
  await finds('ROTATE', 1)
  await finds('REPLAY', 1)
  await counts('confirm', () => tokens.confirmRefreshToken(id, 2))
  await finds('STRAGGLER', 1)
  await finds('ROTATE', 2)
  await counts('EARLY', () => rotate(tokens, id, 3))
  await finds('AHEAD', 9)
  await finds('MISMATCH', 8)
  await counts('look', () => tokens.getUserFromRefreshToken(tokenOf(id, 9), RULES))
  await counts('isAccessValid', () => tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt: 0 }))
  await finds('REUSE', 1)
  await finds('BLOCKED', 9)
  await counts('revoke', () => tokens.revokeRefreshToken(id, 'logout'))
  await finds('REVOKED', 9)
  await store.delete(id)
  await finds('REVOKED', 9)
  const plain = await store.create(newSession({ userId: 'ada' }))
  await counts('create', () => tokens.createRefreshToken(newLineage(plain.id)))
})

void t.test('rotations stay on their page: at least 95 of 100 updates are HOT, of both tables', async (t) => {
  // On a server of its own: a long transaction that writes anywhere in a cluster keeps old versions from being pruned.
  const { connectionString } = await (await ownServer(t)).start()
  await migrate({ connectionString })
  const store = new PostgresStore({ connectionString })
  const tokens = new PostgresTokenStore({ connectionString })
  const sessions = await Promise.all(upTo(50).map(async () => {
    const { id } = await store.create(newSession({ userId: 'ada', set: { cart: upTo(20) } }))
    return begun(await tokens.createRefreshToken(newLineage(id)))
  }))
  for (let generation = 1; generation <= 20; generation++) {
    const found = await Promise.all(sessions.map(({ id }) => tokens.rotateRefreshToken(tokenOf(id, generation), AT_ONCE)))
    if (found.some((rotation) => rotation.found !== 'ROTATE')) throw new Error('there should be rotations alone')
  }
  await Promise.all([store.close(), tokens.close()])
  const client = new pg.Client({ connectionString })
  await client.connect()
  const counts = async (table: string): Promise<{ updates: number, hot: number }> =>
    (await client.query('SELECT n_tup_upd::integer AS updates, n_tup_hot_upd::integer AS hot FROM pg_stat_user_tables WHERE relname = $1', [table])).rows[0]
  for (const [table, updates] of [['refresh_tokens', 1_000], ['sessions', 1_050]] as const) {
    await until('the backends that have ended have handed in their counts', async () => (await counts(table)).updates === updates)
    const { hot } = await counts(table)
    t.ok(hot >= 0.95 * updates, `${table}: ${hot} of ${updates}`)
  }
  t.same((await client.query('SELECT FROM revocations')).rowCount, 0)
  await client.end()
})

const names = tables()
const STATEMENTS: readonly Statement[] = [
  sql.createRefreshToken(names, newLineage(newId())),
  sql.rotateRefreshToken(names, tokenOf(newId(), 1), RULES),
  sql.rotateRefreshTokens(names, upTo(16).map(() => tokenOf(newId(), 1)), RULES),
  sql.getUserFromRefreshToken(names, tokenOf(newId(), 1), RULES),
  sql.revokeRefreshToken(names, newId(), 'logout'),
  sql.confirmRefreshToken(names, newId(), 1),
  sql.isAccessValid(names, { sessionId: newId(), userId: 'ada', issuedAt: 0 })
]
/** Nobody waits for it, and it has those of an hour: a plan of its first day may do. */
const CLEANUP = cleanUpRevocations(names, 1_000)

async function fill (pool: pg.Pool): Promise<void> {
  await seed(pool, { count: ROWS, userId: 'ada' })
  await pool.query("INSERT INTO refresh_tokens (session_id, user_id, token_hash) SELECT id, 'ada', secret_hash FROM sessions")
  await pool.query("INSERT INTO revocations SELECT id, 'ended', 'deleted', now(), now() + interval '61 minutes' FROM sessions")
}

async function byIndex (t: Test, client: pg.PoolClient, statements = STATEMENTS): Promise<void> {
  for (const statement of statements) {
    const kinds = (await Promise.all(['sessions', 'refresh_tokens', 'revocations'].map((table) => scans(client, statement, table)))).flat()
    t.ok(kinds.length > 0 && !kinds.includes('Seq Scan'), `${statement.label}: ${kinds.join(', ')}`)
  }
}

for (const mode of ['force_generic_plan', 'force_custom_plan']) {
  void t.test(`at 100,000 lineages no statement scans a whole table, analysed or not (${mode})`, async (t) => {
    const { pool } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
    for (const table of ['sessions', 'refresh_tokens', 'revocations']) await pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`)
    await fill(pool)
    const connected = async (): Promise<pg.PoolClient> => {
      const client = await pool.connect()
      t.teardown(() => { client.release() })
      await client.query(`SET plan_cache_mode = ${mode}`)
      for (const statement of [...STATEMENTS, CLEANUP]) await prepare(client, statement)
      return client
    }
    await byIndex(t, await connected(), [...STATEMENTS, CLEANUP])
    await pool.query('VACUUM ANALYZE sessions, refresh_tokens, revocations')
    await byIndex(t, await connected(), [...STATEMENTS, CLEANUP])
  })
}

void t.test('a plan that was made when the tables were empty does not scan them when they have grown', async (t) => {
  const { pool } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  for (const table of ['sessions', 'refresh_tokens', 'revocations']) await pool.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`)
  const client = await pool.connect()
  t.teardown(() => { client.release() })
  await client.query('SET plan_cache_mode = force_generic_plan')
  for (const statement of STATEMENTS) await prepare(client, statement)
  await fill(pool)
  await byIndex(t, client)
})
