import pg from 'pg'
import t from 'tap'
import { tables } from '../../../src/stores/postgres/names.js'
import { ALL_SESSIONS as ALL } from '../../../src/stores/postgres/revocation-statements.js'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { clusterUrl } from '../../helpers/database.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { newSession, seed, until } from '../../helpers/pg-store.js'
import { answered, issue, newLineage, postgresTokens, rotate, Told } from '../../helpers/pg-tokens.js'
import { hasPgbouncer, openPgbouncer } from '../../helpers/pgbouncer.js'

const LISTENERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback revocations'"
const PROMPT_MS = 500

async function milliseconds (work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

void t.test('when its connection is killed the watch says that it is broken, and then whole with what was missed', async (t) => {
  const { pool, connectionString, store, tokens, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  const token = await issue(tokens, id)
  const admin = new pg.Client({ connectionString: await clusterUrl() })
  await admin.connect()
  t.teardown(() => admin.end())
  const allow = (isAllowed: boolean): Promise<unknown> => admin.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} ALLOW_CONNECTIONS ${String(isAllowed)}`)
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await store.get(id) // a connection that lives on
  await pool.query('SELECT 1')
  await allow(false)
  await pool.query(LISTENERS)
  await told.hears('broken')
  t.equal(told.isWhole, false)
  await pool.query('DELETE FROM sessions WHERE id = $1', [id])
  t.equal(await tokens.isAccessValid(token), false, 'the database knows meanwhile')
  told.lines.length = 0
  await allow(true)
  await told.hears('reset')
  t.match(told.revocations, [{ sessionId: id, kind: 'ended' }])
  t.same(told.lines.filter((line) => line !== 'reset'), [], 'it is said to be broken once')
})

void t.test('however often its connection is killed the watch becomes whole again, and misses nothing', async (t) => {
  const { pool, tokens, store, signIn } = await postgresTokens(t)
  const told = new Told()
  tokens.watchRevocations(told)
  for (let round = 0; round < 10; round++) {
    await told.hears('reset')
    const { id } = await signIn()
    told.lines.length = 0
    await Promise.all([pool.query(LISTENERS), store.delete(id)])
    await told.hears('broken')
    await told.hears('reset')
    t.ok(told.revocations.some(({ sessionId }) => sessionId === id), 'read, or told before')
  }
})

void t.test('a server that is silent is noticed, and the watch is whole again when it speaks', async (t) => {
  const { connectionString, openTokens, store, signIn } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const told = new Told()
  openTokens({ connectionString: proxy.connectionString }).watchRevocations(told)
  await told.hears('reset')
  const { id } = await signIn()
  proxy.freeze()
  const silentFor = await milliseconds(() => told.hears('broken'))
  t.ok(silentFor > 900 && silentFor < 2_500, `broken after ${Math.round(silentFor)} ms`)
  await store.delete(id)
  told.lines.length = 0
  proxy.thaw()
  await told.hears('reset')
  t.match(told.revocations, [{ sessionId: id, kind: 'ended' }])
})

void t.test('attack: NOTIFY by a role without any grant neither lifts a revocation nor makes one', async (t) => {
  const { pool, connectionString, store, tokens, signIn } = await postgresTokens(t)
  const role = `nobody_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'nothing'`)
  t.teardown(async () => {
    const admin = new pg.Client({ connectionString: await clusterUrl() })
    await admin.connect()
    await admin.query(`DROP ROLE ${role}`)
    await admin.end()
  })
  const [blocked, ended, innocent, last] = [await signIn(), await signIn(), await signIn(), await signIn()]
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await store.block(blocked.id, 'stolen')
  await store.delete(ended.id)
  for (const line of [`blocked ${blocked.id}`, `ended ${ended.id}`]) await told.hears(line)
  told.lines.length = 0
  const url = Object.assign(new URL(connectionString), { username: role, password: 'nothing' })
  const nobody = new pg.Client({ connectionString: String(url) })
  await nobody.connect()
  await t.rejects(nobody.query('SELECT FROM revocations'), { code: '42501' })
  const forged = ['ended', 'blocked', 'changed'].flatMap((kind) => [innocent.id, blocked.id, ended.id, ALL].map((session) => `${kind} ${session}`))
  for (const text of [...forged, `{"session":"${ALL}","kind":"ended","at":4e12,"until":5e12}`, `{"session":"${blocked.id}","kind":"blocked"}`]) {
    await nobody.query(`NOTIFY "${tables().channel}", '${text}'`)
  }
  await nobody.end()
  await store.delete(last.id)
  await told.hears(`ended ${last.id}`)
  const what = new Set(told.lines.filter((line) => line !== `lifted ${innocent.id}` && line !== `lifted ${ended.id}` && line !== `lifted ${ALL}`))
  t.same([...what].sort(), [`blocked ${blocked.id}`, `ended ${ended.id}`, `ended ${last.id}`].sort(), 'what stands in the table, again')
})

void t.test('attack: what was announced and is not read yet is no gap: the watch says of whom it does not know, of all too, and is broken when the read fails', async (t) => {
  const { pool, connectionString, openTokens, store, signIn } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const told = new Told()
  const watch = openTokens({ connectionString: proxy.connectionString }).watchRevocations(told)
  await told.hears('reset')
  const [first, second, innocent] = [await signIn(), await signIn(), await signIn()]
  proxy.judge = (text) => {
    if (text.includes('ANY ($1::uuid[])')) proxy.freeze()
    return 'pass'
  }
  await store.delete(first.id)
  await until('it was announced', async () => watch.isUnread?.(first.id) === true)
  t.same([told.lines, watch.isUnread?.(innocent.id)], [['reset'], false])
  proxy.judge = () => 'pass'
  proxy.thaw()
  await told.hears(`ended ${first.id}`)
  t.equal(watch.isUnread?.(first.id), false)

  proxy.judge = (text) => text.includes('ANY ($1::uuid[])') ? 'cut' : 'pass'
  await store.delete(second.id)
  await told.hears('broken')
  proxy.judge = () => 'pass'
  told.lines.length = 0
  await told.hears('reset')
  t.ok(told.revocations.some(({ sessionId }) => sessionId === second.id))

  proxy.judge = (text) => {
    if (text.includes('ANY ($1::uuid[])')) proxy.freeze()
    return 'pass'
  }
  await pool.query('TRUNCATE sessions CASCADE')
  await until('that of all was announced', async () => watch.isUnread?.(innocent.id) === true)
  proxy.judge = () => 'pass'
  proxy.thaw()
  await told.hears('ended null')
  t.equal(watch.isUnread?.(innocent.id), false)
})

void t.test('of 20,000 sessions that end at once all are told, and the watch stays whole', async (t) => {
  const { pool, store, tokens, signIn } = await postgresTokens(t)
  await seed(pool, { count: 20_000, userId: 'eve' })
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await pool.query("DELETE FROM sessions WHERE user_id = 'eve'")
  const { id } = await signIn()
  await store.delete(id)
  await told.hears(`ended ${id}`)
  t.equal(told.revocations.length, 20_001)
  t.notOk(told.lines.includes('broken'))
})

void t.test('a watch that is whole stays so while nothing happens: a heartbeat every half second is all it sends', async (t) => {
  const { connectionString, openTokens } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const told = new Told()
  openTokens({ connectionString: proxy.connectionString }).watchRevocations(told)
  await told.hears('reset')
  const before = proxy.statements
  const lasted = await milliseconds(() => until('six heartbeats were sent', async () => proxy.statements >= before + 6))
  t.ok(lasted > 2_500, `${Math.round(lasted)} ms`)
  t.same(told.lines, ['reset'])
})

void t.test('closing is prompt with a silent server, with one that refuses, and before the connection is made', async (t) => {
  const { connectionString, openTokens } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const frozen = new Told()
  const whole = openTokens({ connectionString: proxy.connectionString })
  const watch = whole.watchRevocations(frozen)
  await frozen.hears('reset')
  proxy.freeze()
  t.ok(await milliseconds(() => watch.close()) < PROMPT_MS)
  const unanswered = openTokens({ connectionString: proxy.connectionString }).watchRevocations(new Told())
  t.ok(await milliseconds(() => unanswered.close()) < PROMPT_MS, 'not connected yet')
  proxy.cut()
  const refused = new Told()
  const store = openTokens({ connectionString: proxy.connectionString })
  store.watchRevocations(refused)
  await refused.hears('broken')
  t.ok(await milliseconds(() => store.close()) < PROMPT_MS)
  t.same(refused.lines, ['broken'])
  store.watchRevocations(refused)
  t.same(refused.lines, ['broken', 'broken'], 'a store that is closed watches nothing')
})

void t.test('a watch does not keep the process alive', async (t) => {
  const { connectionString } = await postgresTokens(t)
  const tokens = new PostgresTokenStore({ connectionString })
  const told = new Told()
  const before = process.getActiveResourcesInfo().sort()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await new Promise((resolve) => { setImmediate(resolve) })
  t.same(process.getActiveResourcesInfo().sort(), before)
  await tokens.close()
})

void t.test('with a pool of the application\'s the watch connects as the pool does', async (t) => {
  const { connectionString, openTokens, store, signIn } = await postgresTokens(t)
  const { hostname, port, username, password, pathname } = new URL(connectionString)
  const pool = new pg.Pool({ host: hostname, port: Number(port), user: username, password, database: pathname.slice(1), max: 1 })
  t.teardown(() => pool.end())
  const told = new Told()
  const tokens = openTokens({ pool })
  tokens.watchRevocations(told)
  await told.hears('reset')
  const { id } = await signIn()
  await store.delete(id)
  await told.hears(`ended ${id}`)
  t.equal(pool.totalCount, 0, 'none of the pool\'s connections is taken')
})

void t.test('the database\'s clock is known by its answers, whatever the machine\'s says', async (t) => {
  const { openTokens, signIn } = await postgresTokens(t)
  const real = Date.now
  t.teardown(() => { Date.now = real })
  Date.now = () => real() + 3_600_000
  const [watching, rotating] = [openTokens(), openTokens()]
  Date.now = real
  t.ok(watching.now() - real() > 3_500_000, 'before the first answer it is the machine\'s')
  const told = new Told()
  watching.watchRevocations(told)
  await told.hears('reset')
  t.ok(Math.abs(watching.now() - real()) < 1_000, 'after a heartbeat')
  const { id } = await signIn()
  const { issuedAt } = await issue(rotating, id)
  t.ok(Math.abs(rotating.now() - issuedAt) < 1_000, 'after a rotation')
})

void t.test('where the database\'s clock has stepped back behind a revocation, the next token of that session says the instant after it, and no clock here runs ahead', async (t) => {
  const { pool, store, tokens, signIn } = await postgresTokens(t)
  const { id } = await signIn()
  await store.setClaims('ada', { isAdmin: true })
  const told = new Told()
  tokens.watchRevocations(told)
  await told.hears('reset')
  const before = tokens.now() - Date.now()
  await pool.query("UPDATE revocations SET at = at + interval '20 minutes', until = until + interval '20 minutes'")
  const { at, issuedAt, deliveredAt } = answered(await rotate(tokens, id, 1), 'EARLY')
  t.ok(issuedAt - at > 1_190_000, `${issuedAt - at} ms`)
  t.ok(at >= deliveredAt && at - deliveredAt < 60_000)
  t.ok(await tokens.isAccessValid({ sessionId: id, userId: 'ada', issuedAt }))
  t.ok(Math.abs(tokens.now() - Date.now() - before) < 1_000)
})

if (hasPgbouncer) {
  void t.test('a watch through PgBouncer in transaction mode stays broken, whether the store was told or not; a direct connection for it works', async (t) => {
    const { connectionString, openTokens, store } = await postgresTokens(t)
    const through = await openPgbouncer(t, connectionString)
    for (const options of [{ pooler: 'transaction' }, {}] as const) {
      const told = new Told()
      openTokens({ connectionString: through, ...options }).watchRevocations(told)
      await told.hears('broken')
      t.same(told.lines, ['broken'])
    }
    const tokens = openTokens({ connectionString: through, pooler: 'transaction', listenConnectionString: connectionString })
    const told = new Told()
    tokens.watchRevocations(told)
    await told.hears('reset')
    const { id } = await store.create(newSession({ userId: 'ada' }))
    await tokens.createRefreshToken(newLineage(id))
    const token = await issue(tokens, id)
    await tokens.revokeRefreshToken(id, 'logout')
    await told.hears(`changed ${id}`)
    t.equal(await tokens.isAccessValid(token), false)
  })
}

void t.test('options that are wrong are refused by name, and no secret is shown', async (t) => {
  const pool = new pg.Pool()
  const refused: ReadonlyArray<readonly [options: object, message: RegExp]> = [
    [{}, /"pool" or "connectionString"/],
    [{ pool, connectionString: 'postgres://localhost/x' }, /"pool" and "connectionString"/],
    [{ pool, max: 3 }, /"max"/],
    [{ pool, schema: 'a;b' }, /"schema"/],
    [{ pool, listenConnectionString: '' }, /"listenConnectionString"/],
    [{ pool, listenConnectionString: 'mysql://me:hunter2@localhost' }, /"listenConnectionString"/],
    [{ pool, listenConnectionstring: 'x' }, /PostgresTokenStore: unknown option "listenConnectionstring"; did you mean "listenConnectionString"/]
  ]
  for (const [options, message] of refused) {
    try {
      Reflect.construct(PostgresTokenStore, [options])
      t.fail(`should refuse ${String(message)}`)
    } catch (error) {
      t.match(error, { name: 'TypeError', message })
      t.notMatch(String(error), /hunter2/)
    }
  }
  await pool.end()
})
