import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import type { SessionRecord } from '../../../src/session/store.js'
import { CachedStore } from '../../../src/stores/cached.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { renewal } from '../../../src/testing/fixtures.js'
import { freshDatabase } from '../../helpers/database.js'
import { isWhole } from '../../helpers/pg-cached.js'
import { newSession, put, SLIDE } from '../../helpers/pg-store.js'
import { begun, newLineage, RULES, Told, tokenOf } from '../../helpers/pg-tokens.js'

const GRANTS = readFileSync(join(import.meta.dirname, '../../../docs/grants.sql'), 'utf8')

t.test('with docs/grants.sql one role migrates, and the other does all that a store does and no more', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  // roles belong to the whole server, which other tests share
  const suffix = randomBytes(6).toString('hex')
  const as = (role: string): string => Object.assign(new URL(connectionString), { username: `silverback_${role}_${suffix}`, password: 'of-the-test' }).href
  await pool.query(GRANTS.replaceAll(/^ *\\.*$/gm, '').replaceAll(':"schema"', 'silverback').replaceAll(/silverback_(app|migrator)\b/g, `silverback_$1_${suffix}`).replaceAll(/:(app|migrator)_password/g, "'of-the-test'"))
  t.teardown(async () => {
    await pool.query(`DROP OWNED BY silverback_app_${suffix}, silverback_migrator_${suffix} CASCADE; DROP ROLE silverback_app_${suffix}, silverback_migrator_${suffix}`)
  })
  const schema = 'silverback'
  await migrate({ connectionString: as('migrator'), schema })
  t.strictSame(await migrate({ connectionString: as('app'), schema }), [], 'with nothing pending the application may ask for it too')

  const store = new CachedStore(new PostgresStore({ connectionString: as('app'), schema }), { maxStalenessMs: 1_000, maxEntries: 10 })
  await isWhole(store)
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  t.ok(await store.save(id, secretHash, put({ a: 1 })))
  t.ok(await store.save(id, secretHash, SLIDE))
  t.ok(await store.block(id, 'test') && await store.unblock(id))
  t.equal(await store.setClaims('ada', { isAdmin: true }), 1)
  t.equal(await store.cleanup(), 0)
  t.strictSame(await store.deleteByUser('ada'), [id])

  const tokens = new PostgresTokenStore({ connectionString: as('app'), schema })
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  const begin = async (): Promise<SessionRecord> => {
    const session = await store.create(newSession({ userId: 'ada' }))
    return begun(await tokens.createRefreshToken(newLineage(session.id)))
  }
  const [rotated, renewed] = [await begin(), await begin()]
  t.equal((await tokens.rotateRefreshToken(tokenOf(rotated.id, 1), { minGenerationAge: 0, stragglerWindow: 30, refreshTtl: 2_592_000 })).found, 'ROTATE')
  t.equal((await tokens.getUserFromRefreshToken(tokenOf(rotated.id, 1), RULES)).found, 'REPLAY')
  await tokens.confirmRefreshToken(rotated.id, 2)
  t.equal(await tokens.isAccessValid({ sessionId: rotated.id, userId: 'ada', issuedAt: tokens.now() }), true)
  t.equal(await store.setClaims('ada', {}), 2)
  t.ok(await store.block(rotated.id, 'test') && await store.unblock(rotated.id))
  t.equal(await tokens.revokeRefreshToken(rotated.id, 'logout'), true)
  t.ok(await store.save(renewed.id, renewed.secretHash, { ...SLIDE, renew: { ...renewal(), dropsTokens: true } }))
  await told.hears(`changed ${rotated.id}`)
  await told.hears(`ended ${renewed.id}`)
  t.equal(await store.cleanup(), 1, 'what was revoked')
  t.equal((await store.deleteByUser('ada')).length, 1)
  await Promise.all([store.close(), tokens.close()])

  await t.rejects(migrate({ connectionString: as('app'), schema, direction: 'down' }), 'it cannot change the tables')
  await t.rejects(migrate({ connectionString: as('app'), schema: 'elsewhere' }), 'nor make others')
})

t.test('whoever could save and end sessions still can when the cache migration has been run, also before any new grant', async (t) => {
  const { connectionString, pool } = await freshDatabase(t)
  await migrate({ connectionString, count: 2 })
  const role = `app_${randomBytes(6).toString('hex')}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'of-the-test'; GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, refresh_tokens, revocations TO ${role}`)
  t.teardown(() => pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  await migrate({ connectionString })
  const store = new PostgresStore({ connectionString: Object.assign(new URL(connectionString), { username: role, password: 'of-the-test' }).href })
  t.teardown(() => store.close())
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  t.ok(await store.save(id, secretHash, put({ a: 1 })))
  t.equal(await store.setClaims('ada', { isAdmin: true }), 1)
  t.ok(await store.delete(id))
})
