import pg from 'pg'
import t from 'tap'
import { migrate } from '../../../src/stores/postgres/migrate.js'
import { PostgresStore, type PostgresStoreOptions } from '../../../src/stores/postgres/store.js'
import { found, freshHash, newSession, postgresStore, put, SLIDE, upTo } from '../../helpers/pg-store.js'

const URL = 'postgres://nobody:hunter2@localhost/nowhere'

void t.test('each option that is wrong is refused by name', async (t) => {
  const refusals: Array<[PostgresStoreOptions, RegExp]> = [
    [{}, /"connectionString"/],
    [{ connectionString: '' }, /"connectionString"/],
    [{ connectionString: 'postgres://user:hunter2@host:port/x' }, /"connectionString"/],
    [{ connectionString: URL, pool: new pg.Pool() }, /"pool" and "connectionString"/],
    [{ pool: new pg.Pool(), max: 3 }, /"max"/],
    [{ connectionString: URL, max: 0 }, /"max"/],
    [{ connectionString: URL, max: 1.5 }, /"max"/],
    [{ connectionString: URL, schema: 'Upper' }, /"schema"/],
    [{ connectionString: URL, schema: '' }, /"schema"/],
    [{ connectionString: URL, tableName: 'x'.repeat(64) }, /"tableName"/],
    [{ connectionString: URL, tableName: '1st' }, /"tableName"/]
  ]
  for (const [options, message] of refusals) {
    t.throws(() => new PostgresStore(options), { name: 'TypeError', message })
    t.throws(() => new PostgresStore(options), { message: /^(?!.*hunter2)/s })
  }
  t.throws(() => Reflect.construct(PostgresStore, [{ connectionString: URL, pooler: 'session' }]), { name: 'TypeError', message: /"pooler"/ })
  t.throws(() => Reflect.construct(PostgresStore, [{ connectionString: URL, tablename: 'x' }]), { name: 'TypeError', message: /did you mean "tableName"/ })
  t.throws(() => Reflect.construct(PostgresStore, [{ pool: { query () {} } }]), { name: 'TypeError', message: /"pool"/ })
})

void t.test('attack: SQL in the name of the table or the schema never reaches the server', async (t) => {
  const attacks = ['sessions"; DROP TABLE users; --', 'sessions; DROP TABLE users', 'sessions--', 'a.b', "a'b", 'a"b', 'séance', 'sessions\n', 'a b', 'a$b', '__proto__;']
  for (const attack of attacks) {
    t.throws(() => new PostgresStore({ connectionString: URL, tableName: attack }), { name: 'TypeError', message: /"tableName"/ }, attack)
    t.throws(() => new PostgresStore({ connectionString: URL, schema: attack }), { name: 'TypeError', message: /"schema"/ }, attack)
    await t.rejects(migrate({ connectionString: URL, tableName: attack }), { name: 'TypeError', message: /"tableName"/ }, attack)
    await t.rejects(migrate({ connectionString: URL, schema: attack }), { name: 'TypeError', message: /"schema"/ }, attack)
  }
})

void t.test('attack: SQL in ids, user ids, keys, values and reasons is data', async (t) => {
  const { store, pool } = await postgresStore(t)
  const attack = "'); DELETE FROM sessions; --"
  const { id, secretHash } = await store.create(newSession({ userId: attack, set: { [attack]: attack }, unset: [attack], userAgent: attack, clientIp: attack, claims: { [attack]: attack } }))
  await store.save(id, secretHash, { ...put({ [attack]: 1 }), unset: [attack, '{a,b}', '","'] })
  t.equal(await store.get(attack), null)
  t.equal((await store.listByUser(attack)).length, 1)
  t.ok(await store.block(id, attack))
  t.same((await pool.query('SELECT blocked_reason, "values" FROM sessions')).rows, [{ blocked_reason: attack, values: { [attack]: 1 } }])
})

void t.test('type parsers that the application has set for all of pg change nothing', async (t) => {
  const { store } = await postgresStore(t)
  const before = await store.create(newSession({ userId: 'ada', set: { n: 1 }, maxAge: 60, clientIp: '::1', claims: { isAdmin: true } }))
  const oids = [16, 17, 20, 21, 23, 25, 114, 700, 701, 869, 1043, 1114, 1184, 1700, 2950, 3802]
  const parsers = oids.map((oid) => pg.types.getTypeParser(oid))
  for (const oid of oids) pg.types.setTypeParser(oid, () => 'parsed by the application')
  t.teardown(() => { for (const [n, oid] of oids.entries()) pg.types.setTypeParser(oid, parsers[n] ?? String) })

  const loaded = found(await store.get(before.id))
  t.ok(loaded.readAt >= before.readAt)
  t.same(loaded, { ...before, readAt: loaded.readAt })
  const [one, two] = await Promise.all([store.save(before.id, before.secretHash, put({ m: 2 })), store.save(before.id, before.secretHash, SLIDE)])
  t.same([one?.values, two?.version], [{ n: 1, m: 2 }, 2])
  t.equal((await store.create(newSession({ replaces: { id: before.id, secretHash: before.secretHash, carry: {} } }))).values['m'], 2)
  t.equal(await store.cleanup(), 0)
})

void t.test('the server\'s DateStyle, TimeZone, bytea_output and extra_float_digits change nothing', async (t) => {
  const { store, pool, connectionString } = await postgresStore(t)
  const created = await store.create(newSession())
  await pool.query(`ALTER DATABASE "${new globalThis.URL(connectionString).pathname.slice(1)}" SET datestyle = 'SQL, DMY'`)
  const other = new PostgresStore({ connectionString: withParameter(connectionString, 'options', '-c timezone=Asia/Kathmandu -c bytea_output=escape -c extra_float_digits=-5') })
  t.teardown(() => other.close())
  const loaded = found(await other.get(created.id))
  t.same([loaded.expiresAt, loaded.secretHash], [created.expiresAt, created.secretHash])
})

void t.test('two stores with tables of different names share a pool', async (t) => {
  const { pool, connectionString } = await postgresStore(t)
  await migrate({ connectionString, schema: 'elsewhere', tableName: 'visits' })
  const stores = [new PostgresStore({ pool }), new PostgresStore({ pool, schema: 'elsewhere', tableName: 'visits' })]
  for (const [n, store] of stores.entries()) {
    const { id, secretHash } = await store.create(newSession({ userId: 'ada', set: { n } }))
    await store.save(id, secretHash, SLIDE)
    t.same((await store.listByUser('ada')).map(({ values }) => values), [{ n }])
  }
})

void t.test('a given pool is left open by close, an own one is ended', async (t) => {
  const { pool, connectionString } = await postgresStore(t)
  const guest = new PostgresStore({ pool })
  await guest.get((await guest.create(newSession())).id)
  await guest.close()
  t.same((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])

  const own = new PostgresStore({ connectionString })
  await Promise.all([own.create(newSession()), own.listByUser('ada')])
  await Promise.all([own.close(), own.close()])
  await own.close()
  t.same((await pool.query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'silverback'")).rows, [])
  await t.rejects(own.get(newSession().id), { code: 'ERR_STORE' })
})

void t.test('close lets what was asked for before it finish', async (t) => {
  const { store, openStore } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession())
  const closing = openStore()
  const answers = upTo(20).flatMap((n) => [closing.save(id, secretHash, put({ [`k${n}`]: n })), closing.get(id)])
  await closing.close()
  t.ok((await Promise.all(answers)).every((record) => record?.id === id))
})

void t.test('behind a pooler in transaction mode no statement is prepared and no timeout of the server is set', async (t) => {
  const { connectionString, pool } = await postgresStore(t)
  const url = withParameter(connectionString, 'application_name', 'pooled')
  const store = new PostgresStore({ connectionString: url, pooler: 'transaction', max: 1 })
  t.teardown(() => store.close())
  const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
  await Promise.all([store.get(id), store.get(newSession().id), store.save(id, secretHash, put({ a: 1 }))])
  t.equal(await store.setClaims('ada', {}), 1)
  t.equal(await store.cleanup(), 0)
  t.same(await store.deleteByUser('ada'), [id])
  const { rows } = await pool.query("SELECT query FROM pg_stat_activity WHERE application_name = 'pooled' AND datname = current_database()")
  t.equal(rows.length, 1)

  const spy = new pg.Pool({ connectionString, max: 1 })
  t.teardown(() => spy.end())
  const unnamed = new PostgresStore({ pool: spy, pooler: 'transaction' })
  await unnamed.get((await unnamed.create(newSession())).id)
  t.same((await spy.query('SELECT name FROM pg_prepared_statements')).rows, [])
  const named = new PostgresStore({ pool: spy })
  await named.get((await named.create(newSession())).id)
  t.match((await spy.query('SELECT name FROM pg_prepared_statements ORDER BY name')).rows, [{ name: /^silverback_create_[0-9a-f]{12}$/ }, { name: /^silverback_get_/ }])
})

void t.test('the server ends statements of an own pool after 2 s and waits for locks 1 s', async (t) => {
  const { connectionString } = await postgresStore(t)
  const store = new PostgresStore({ connectionString, max: 1 })
  t.teardown(() => store.close())
  const [{ id, secretHash }, pool] = [await store.create(newSession()), new pg.Pool({ connectionString })]
  t.teardown(() => pool.end())
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('SELECT FROM sessions FOR UPDATE')
  await t.rejects(store.save(id, secretHash, SLIDE), { code: 'ERR_STORE', cause: { code: '55P03' } })
  await client.query('ROLLBACK')
  client.release()
})

void t.test('values that a hand in psql has spoilt are read as they stand, and never written', async (t) => {
  const { store, pool } = await postgresStore(t)
  for (const value of ['[1]', 'null', '"x"']) {
    const { id, secretHash } = await store.create(newSession({ userId: 'ada' }))
    await pool.query('UPDATE sessions SET "values" = $2 WHERE id = $1', [id, value])
    for (const record of [await store.get(id), ...await Promise.all([store.get(id), store.get(id)]), ...await store.listByUser('ada')]) {
      t.same(record?.values, JSON.parse(value))
    }
    t.equal(await store.save(id, secretHash, put({ a: 1 })), null, 'save')
    t.same(await Promise.all([store.save(id, secretHash, put({ a: 1 })), store.save(id, secretHash, put({ b: 1 }))]), [null, null])
    t.same(await store.deleteByUser('ada'), [id], 'it can be ended')
  }
})

void t.test('claims that a hand in psql has spoilt grant nothing', async (t) => {
  const { store, pool } = await postgresStore(t)
  for (const value of ['7', '[]', 'null', '"isAdmin"']) {
    const { id } = await store.create(newSession({ userId: 'ada', claims: { isAdmin: true } }))
    await pool.query('UPDATE sessions SET claims = $2 WHERE id = $1', [id, value])
    t.same((await store.get(id))?.claims, {})
  }
})

void t.test('instants beyond what a Date can hold are read as its ends', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id } = await store.create(newSession())
  await pool.query("UPDATE sessions SET absolute_expires_at = 'infinity', expires_at = 'infinity', created_at = '-infinity', last_seen_at = '1969-12-31 23:59:59.5+00'")
  const record = found(await store.get(id))
  t.same([record.absoluteExpiresAt, record.createdAt, record.lastSeenAt], [new Date(8.64e15), new Date(-8.64e15), new Date(-500)])
})

void t.test('an address that is none, or has a zone, does not stop a sign-in', async (t) => {
  const { store } = await postgresStore(t)
  const stored = async (clientIp: string): Promise<string | null> => (await store.create(newSession({ userId: 'ada', clientIp }))).clientIp
  t.equal(await stored('fe80::1%eth0'), 'fe80::1')
  t.equal(await stored('unknown'), null)
  t.equal(await stored('10.0.0.1:443'), null)
  t.equal(await stored('10.0.0.0/8'), null)
  t.equal(await stored('192.0.2.7'), '192.0.2.7')
})

void t.test('the clock of the database decides, not that of the application', async (t) => {
  const { store, pool } = await postgresStore(t)
  const { id, secretHash } = await store.create(newSession({ idleSeconds: 60 }))
  const { now } = Date
  t.teardown(() => { Date.now = now })
  for (const skew of [-86_400_000, 86_400_000]) {
    Date.now = () => now() + skew
    const slid = found(await store.save(id, secretHash, { ...SLIDE, idleSeconds: 60 }))
    const { rows: [row] } = await pool.query('SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 AS left FROM sessions')
    t.ok(row.left > 50 && row.left <= 60, `clock off by ${skew} ms`)
    t.ok(Math.abs(slid.readAt.getTime() - now()) < 5_000)
    t.not(await store.get(id), null)
  }
  await pool.query('UPDATE sessions SET expires_at = now()')
  Date.now = () => now() - 86_400_000
  t.equal(await store.get(id), null)
})

void t.test('a role with no more than SELECT, INSERT, UPDATE and DELETE on the tables can do everything', async (t) => {
  const { connectionString, pool } = await postgresStore(t)
  const role = `app_${new globalThis.URL(connectionString).pathname.slice(-8)}`
  await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'app'; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, refresh_tokens, revocations, cache_leases TO ${role}`)
  const url = Object.assign(new globalThis.URL(connectionString), { username: role, password: 'app' }).href
  const store = new PostgresStore({ connectionString: url })
  t.teardown(async () => {
    await store.close()
    await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })
  const visitor = await store.create(newSession({ set: { a: 1 } }))
  const { id, secretHash, version } = await store.create(newSession({ userId: 'ada', replaces: { id: visitor.id, secretHash: visitor.secretHash, carry: {} } }))
  t.equal((await Promise.all([store.get(id), store.get(visitor.id)]))[0]?.values['a'], 1)
  await Promise.all([store.save(id, secretHash, SLIDE), store.save(id, secretHash, put({ b: 1 }))])
  t.equal(await store.compareAndSave(id, secretHash, version, SLIDE), 'conflict')
  t.ok(await store.block(id, 'why') && await store.unblock(id))
  t.equal(await store.setClaims('ada', { isAdmin: true }), 1)
  t.equal((await store.listByUser('ada')).length, 1)
  const renewed = found(await store.save(id, secretHash, { ...SLIDE, renew: { id: newSession().id, secretHash: freshHash(), keep: [] } }))
  t.ok(await store.delete(renewed.id))
  await store.create(newSession({ userId: 'ada' }))
  t.equal((await store.deleteByUser('ada')).length, 1)
  await store.create(newSession())
  await pool.query('UPDATE sessions SET expires_at = now()')
  t.equal(await store.cleanup(), 1)
})

/** The connection string with one more parameter. */
function withParameter (connectionString: string, name: string, value: string): string {
  const url = new globalThis.URL(connectionString)
  url.searchParams.set(name, value)
  return url.href
}

void t.test('in production another host is reached by verified TLS, or not at all', async (t) => {
  const before = process.env['NODE_ENV']
  t.teardown(() => { if (before === undefined) delete process.env['NODE_ENV']; else process.env['NODE_ENV'] = before })
  process.env['NODE_ENV'] = 'production'
  for (const mode of ['disable', 'no-verify']) {
    t.throws(() => new PostgresStore({ connectionString: `postgres://ada:hunter2@db.example.com/x?sslmode=${mode}` }), { name: 'TypeError', message: /^(?!.*hunter2).*"connectionString"/ })
  }
  for (const url of ['postgres://ada@db.example.com/x?sslmode=verify-full', URL]) await new PostgresStore({ connectionString: url }).close()
})
