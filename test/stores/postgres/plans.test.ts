import type pg from 'pg'
import t, { type Test } from 'tap'
import { newId } from '../../../src/core/credential.js'
import { cleanUp, saveMany } from '../../../src/stores/postgres/bulk-statements.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { RowRecord } from '../../../src/stores/postgres/row-record.js'
import type { Statement } from '../../../src/stores/postgres/statement.js'
import * as sql from '../../../src/stores/postgres/statements.js'
import { type FreshDatabase, freshDatabase } from '../../helpers/database.js'
import { prepare, scans } from '../../helpers/pg-plans.js'
import { freshHash, newSession, put, seed, SLIDE, upTo } from '../../helpers/pg-store.js'

const ROWS = 100_000
const BATCH = 128
const BEFORE_ALL = { bucket: -2_147_483_648, id: '00000000-0000-0000-0000-000000000000' }
const names = tables()
const hash = freshHash()
const renewal = { ...put({ a: 1 }), renew: { id: newId(), secretHash: hash, keep: ['a'], dropsTokens: true } }
const replacing = { id: newId(), secretHash: hash, carry: {} }

const known = (): RowRecord => new RowRecord({
  id: newId(),
  secretHash: hash,
  userId: null,
  values: {},
  claims: {},
  createdAt: new Date(),
  expiresAt: new Date(),
  absoluteExpiresAt: new Date(),
  lastSeenAt: new Date(),
  authenticatedAt: null,
  maxAge: null,
  userAgent: null,
  clientIp: null,
  blockedAt: null,
  blockedReason: null,
  version: 1,
  readAt: new Date()
}, '12345')

const STATEMENTS: readonly Statement[] = [
  sql.get(names, newId()),
  sql.get(names, newId(), known()),
  sql.getMany(names, upTo(BATCH).map(newId), upTo(BATCH).map(() => null)),
  sql.getMany(names, upTo(BATCH).map(newId), upTo(BATCH).map((n) => n % 2 === 0 ? null : known())),
  sql.slide(names, newId(), hash, 60),
  sql.save(names, newId(), hash, put({ a: 1 }), null),
  sql.renew(names, newId(), hash, renewal, null),
  sql.create(names, newSession({ userId: 'ada', replaces: replacing }), null),
  sql.evict(names, 'ada', newId(), 3),
  sql.remove(names, newId(), hash),
  sql.block(names, newId(), 'why'),
  sql.unblock(names, newId()),
  sql.listByUser(names, 'ada'),
  sql.deleteByUser(names, 'ada', null),
  sql.setClaims(names, 'ada', {}),
  saveMany(names, upTo(BATCH).map((n) => ({ id: newId(), secretHash: freshHash(), change: n % 2 === 0 ? SLIDE : put({ a: n }), changes: n % 2 }))),
  saveMany(names, upTo(BATCH).map((n) => ({ id: newId(), secretHash: freshHash(), change: put({ a: n }), changes: 1 }))),
  cleanUp(names, BEFORE_ALL, 1_000)
]

const open = (t: Test): Promise<FreshDatabase> => freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })

async function connected (t: Test, { pool }: FreshDatabase, mode: string): Promise<pg.PoolClient> {
  const client = await pool.connect()
  t.teardown(() => { client.release() })
  await client.query(`SET plan_cache_mode = ${mode}`)
  return client
}

async function allByIndex (t: Test, client: pg.PoolClient): Promise<void> {
  for (const statement of STATEMENTS) {
    const kinds = await scans(client, statement, 'sessions')
    t.ok(kinds.length > 0 && !kinds.includes('Seq Scan'), `${statement.label}: ${kinds.join(', ')}`)
  }
}

for (const mode of ['force_generic_plan', 'force_custom_plan']) {
  void t.test(`at 100,000 analysed rows no statement scans the whole table (${mode})`, async (t) => {
    const database = await open(t)
    await seed(database.pool, { count: ROWS })
    await database.pool.query('VACUUM ANALYZE sessions')
    const client = await connected(t, database, mode)
    for (const statement of STATEMENTS) await prepare(client, statement)
    await allByIndex(t, client)
  })

  void t.test(`a table grown from empty without ANALYZE is never scanned by plans made since (${mode})`, async (t) => {
    const database = await open(t)
    await database.pool.query('ALTER TABLE sessions SET (autovacuum_enabled = off)')
    await seed(database.pool, { count: ROWS })
    const client = await connected(t, database, mode)
    for (const statement of STATEMENTS) await prepare(client, statement)
    await allByIndex(t, client)
  })
}

void t.test('a plan that was made when the table was empty does not scan it when it has grown', async (t) => {
  const database = await open(t)
  await database.pool.query('ALTER TABLE sessions SET (autovacuum_enabled = off)')
  const client = await connected(t, database, 'force_generic_plan')
  for (const statement of STATEMENTS) await prepare(client, statement)
  await seed(database.pool, { count: ROWS })
  await allByIndex(t, client)
})
