import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { SameDatabase } from '../../../src/stores/postgres/same-database.js'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { freshDatabase } from '../../helpers/database.js'
import { openFaultProxy } from '../../helpers/fault-proxy.js'
import { until } from '../../helpers/pg-store.js'
import { ownServer } from '../../helpers/pg-server.js'
import { postgresTokens, Told } from '../../helpers/pg-tokens.js'

/** Keeps the advice, too. */
class Advised extends Told {
  readonly advice: (string | undefined)[] = []
  override broken (_cause?: unknown, advice?: string): void {
    this.advice.push(advice)
    super.broken()
  }
}

void t.test('a watch that listens at another database than the store writes to is never whole, and says why once', async (t) => {
  const { connectionString, openTokens } = await postgresTokens(t)
  const other = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const proxy = await openFaultProxy(t, other.connectionString)
  const told = new Advised()
  openTokens({ connectionString, listenConnectionString: proxy.connectionString }).watchRevocations(told)
  await told.hears('broken')
  t.match(told.advice, [/another database/])
  t.equal(told.advice.length, 1)
  const before = proxy.statements
  await until('it has tried again', async () => proxy.statements > before)
  await new Promise((resolve) => { setTimeout(resolve, 200) })
  t.same(told.lines, ['broken'])
})

void t.test('where both ways lead to one database the watch is whole, by whatever role and name it listens, and sends no statement more than heartbeats', async (t) => {
  const { pool, connectionString, openTokens } = await postgresTokens(t)
  const role = `listener_${new URL(connectionString).pathname.slice(1)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'nothing'; GRANT SELECT ON revocations TO ${role}`)
  t.teardown(async () => {
    const admin = new pg.Client({ connectionString })
    await admin.connect()
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await admin.end()
  })
  const [ways, writes] = [await openFaultProxy(t, Object.assign(new URL(connectionString), { username: role, password: 'nothing' }).href), await openFaultProxy(t, connectionString)]
  const told = new Told()
  openTokens({ connectionString: writes.connectionString, listenConnectionString: ways.connectionString }).watchRevocations(told)
  await told.hears('reset')
  t.equal(writes.statements, 1, 'asked once')
  const [before, from] = [ways.statements, performance.now()]
  await until('six heartbeats were sent', async () => ways.statements >= before + 6)
  t.ok(performance.now() - from > 2_500)
  t.equal(writes.statements, 1)
  t.same(told.lines, ['reset'])
})

void t.test('3B-11: a pool with no connection to spare does not keep a watch from becoming whole', async (t) => {
  const { connectionString, openPool, openTokens } = await postgresTokens(t)
  const pool = openPool({ max: 1 })
  const busy = await pool.connect()
  t.teardown(() => { busy.release() })
  const told = new Told()
  const from = performance.now()
  openTokens({ pool, listenConnectionString: connectionString }).watchRevocations(told)
  await told.hears('reset')
  const lasted = performance.now() - from
  t.ok(lasted < 2_000, `${Math.round(lasted)} ms`)
  t.same(told.lines, ['reset'])
})

void t.test('a restart of the server is no other database', async (t) => {
  const server = await ownServer(t)
  const first = await server.start()
  await migrate({ connectionString: first.connectionString })
  const tokens = new PostgresTokenStore({ connectionString: first.connectionString, listenConnectionString: first.connectionString })
  t.teardown(() => tokens.close())
  const told = new Advised()
  tokens.watchRevocations(told)
  await told.hears('reset')
  await first.stop()
  await told.hears('broken')
  told.lines.length = 0
  await server.start()
  await told.hears('reset')
  t.same(told.advice.filter((advice) => advice !== undefined), [])
})

void t.test('a certificate file that cannot be read when the watch connects anew breaks the watch, not the process', async (t) => {
  const { connectionString, openTokens } = await postgresTokens(t)
  const proxy = await openFaultProxy(t, connectionString)
  const file = join(t.testdir(), 'ca.pem')
  await writeFile(file, '\n')
  const told = new Told()
  const url = new URL(proxy.connectionString)
  url.searchParams.set('sslmode', 'disable')
  url.searchParams.set('sslrootcert', file)
  openTokens({ connectionString, listenConnectionString: url.href }).watchRevocations(told)
  await told.hears('reset')
  await rm(file)
  proxy.cut()
  await told.hears('broken')
  proxy.restore()
  await new Promise((resolve) => { setTimeout(resolve, 500) }) // some attempts fail
  told.lines.length = 0
  await writeFile(file, '\n')
  await told.hears('reset')
})

/** Two ways, and what their databases say of themselves; `null`: nothing. */
function ways (here: string | null, there: string | null) {
  const says = { here, there, clock: 0, asked: 0 }
  const rowsOf = (identity: string | null) => {
    if (identity === null) throw new Error('no answer')
    return [{ identity }]
  }
  const same = new SameDatabase({
    ask: async () => { says.asked++; return rowsOf(says.there) },
    now: () => says.clock
  })
  return { says, same, check: async () => { await same.check({ send: async () => rowsOf(says.here) }) } }
}

void t.test('a pool that is led to another database later is noticed within a minute', async (t) => {
  const { says, same, check } = ways('blue', 'blue')
  t.ok(same.isDue)
  await check()
  t.notOk(same.isDue)
  says.there = 'green'
  says.clock = 59_000
  t.notOk(same.isDue)
  await check()
  t.equal(says.asked, 1, 'a connection to what is known is not asked about')
  says.clock = 60_000
  t.ok(same.isDue)
  await t.rejects(check(), /another database/)
  says.here = 'green'
  await check()
})

void t.test('without an answer what was known stands: what was another stays so, what is new is taken until there is one', async (t) => {
  const { says, same, check } = ways('blue', 'green')
  await t.rejects(check(), /another database/)
  says.there = null
  await t.rejects(check(), /another database/)
  says.here = 'red'
  await check()
  says.clock = 4_000
  t.notOk(same.isDue)
  says.clock = 6_000
  t.ok(same.isDue)
  says.there = 'green'
  await t.rejects(check(), /another database/)
  says.here = null
  await check()
  t.notOk(same.isDue, 'who may not read it here is not asked with every heartbeat')
})
