import pg from 'pg'
import t from 'tap'
import type { Test } from 'tap'
import { createLog } from '../../src/service/log.js'
import { migrateUp } from '../../src/service/database/migrations.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import { freshDatabase } from '../helpers/database.js'
import { openFaultProxy } from '../helpers/fault-proxy.js'
import { until } from '../helpers/pg-store.js'
import { openServiceOnPostgres } from '../helpers/service-app.js'

interface Line { readonly level: number, readonly msg: string, readonly err?: { readonly message: string } }

/** A service whose feed goes the way that `way` makes of its connection string; and what it logs of its feed. */
async function open (t: Test, way: (connectionString: string) => string | Promise<string>) {
  let text = ''
  const service = await openServiceOnPostgres(t)
  const { connectionString } = service
  const log = createLog('info', { write (line) { text += line } })
  const { password } = new URL(connectionString)
  if (password === '') throw new Error('the login of the tests has a password')
  const listenConnectionString = await way(connectionString)
  const app = await service.openNode({ log, tokenStore: new PostgresTokenStore({ connectionString, listenConnectionString }) })
  return {
    ...service,
    app,
    told: () => text.split('\n').filter((line) => line !== '').map((line): Line => JSON.parse(line)).filter(({ msg }) => msg.includes('revocations')),
    leaks: () => text.includes(password),
    ready: async () => await app.inject('/readyz'),
    /** Asks until the feed is whole, or broken. */
    feedIs: async (value: 0 | 1) => { await until(`the feed is ${value}`, async () => (await app.inject('/metrics')).body.includes(`silverback_feed_connected ${value}\n`)) }
  }
}

void t.test('a feed that breaks is told in the log once, with the cause and no password, and once when it is whole; /readyz warns meanwhile, and stays 200', async (t) => {
  let proxy: Awaited<ReturnType<typeof openFaultProxy>> | undefined
  const { told, leaks, ready, feedIs } = await open(t, async (url) => {
    proxy = await openFaultProxy(t, url)
    return proxy.connectionString
  })
  await feedIs(1)
  t.strictSame(told(), [], 'nothing is said of a feed that is whole')
  proxy?.cut()
  await feedIs(0)
  t.match(await ready(), { statusCode: 200 })
  t.match((await ready()).json(), { status: 'degraded', warnings: [/^revocations are not heard.*each access token is looked up/] })
  await until('three attempts have failed', async () => (proxy?.refused ?? 0) >= 3)
  t.match(told(), [{ level: 40, msg: /^revocations are not heard/, err: { message: /./ } }])
  t.equal(told().length, 1)
  proxy?.restore()
  await feedIs(1)
  t.strictSame((await ready()).json(), { status: 'ok', warnings: [] })
  t.match(told().slice(1), [{ level: 30, msg: /^revocations are heard again/ }])
  t.equal(told().length, 2)
  t.notOk(leaks())
})

void t.test('attack: where the feed leads to another database, migrated too, what was ended is refused nevertheless; the log says once what to do, /readyz warns', async (t) => {
  const { app, told, leaks, ready, pool } = await open(t, async (url) => {
    const other = await freshDatabase(t, { prepare: migrateUp })
    return Object.assign(new URL(url), { pathname: new URL(other.connectionString).pathname }).href
  })
  const register = await app.inject({ method: 'POST', url: '/auth/register', payload: { email: 'ann@example.com', password: 'correct horse battery' } })
  const headers = { authorization: `Bearer ${register.json().access_token}` }
  t.equal((await app.inject({ url: '/auth/me', headers })).statusCode, 200)
  await until('it is told', async () => told().length > 0)
  await pool.query('DELETE FROM sessions')
  t.equal((await app.inject({ url: '/auth/me', headers })).statusCode, 401, 'though nobody told this node')
  t.match(await ready(), { statusCode: 200 })
  t.match((await ready()).json(), { status: 'degraded', warnings: [/another database.*DATABASE_DIRECT_URL\) must lead to the same database/] })
  t.match(told(), [{ level: 40, msg: /another database.*DATABASE_DIRECT_URL\) must lead to the same database/ }])
  t.equal(told().length, 1)
  t.notOk(leaks())
})

void t.test('a feed that waits for the tables of a first start is not told as broken', async (t) => {
  const { connectionString } = await freshDatabase(t)
  let text = ''
  const app = await (await openServiceOnPostgres(t)).openNode({
    log: createLog('info', { write (line) { text += line } }), tokenStore: new PostgresTokenStore({ connectionString, listenConnectionString: connectionString })
  })
  const admin = new pg.Client({ connectionString })
  await admin.connect()
  t.teardown(() => admin.end())
  await until('it has tried', async () => (await admin.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback revocations'")).rows.length > 0)
  await migrateUp(connectionString)
  await until('it is whole', async () => (await app.inject('/metrics')).body.includes('silverback_feed_connected 1\n'))
  t.notMatch(text, /revocations/)
  t.strictSame((await app.inject('/readyz')).json(), { status: 'ok', warnings: [] })
})
