import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/service/embedded-postgres.js'
import { findProcess } from '../../src/service/embedded-postgres/process.js'
import { FAST, query, start, temporaryFolder, until } from './embedded-postgres-parts.js'

void t.test('the data survive stop and start', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'not', 'there', 'yet')
  const first = await start(t, dataDir)
  await query(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await first.stop()
  const second = await start(t, dataDir)
  t.strictSame(await query(second.connectionString, 'SELECT answer FROM kept'), [{ answer: 42 }])
  t.equal(second.adopted, false)
  t.equal(second.connectionString, first.connectionString, 'under the same connection string')
})

void t.test('a second start on a folder in use is refused, and the first goes on', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir)
  const refusal = await startEmbeddedPostgres({ dataDir: `${dataDir}/.` }).then(() => null, (error: unknown) => error)
  t.match(refusal, { code: 'ERR_DATA_DIR_IN_USE', message: `the data folder ${dataDir} is in use by another service (pid ${process.pid})` })
  t.strictSame(await query(server.connectionString, 'SELECT 1 AS one'), [{ one: 1 }])
})

void t.test('of two simultaneous starts on one new folder exactly one succeeds', async (t) => {
  const dataDir = await temporaryFolder(t)
  const outcomes = await Promise.allSettled([start(t, dataDir), start(t, dataDir)])
  t.strictSame(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(outcomes.find(({ status }) => status === 'rejected'), { reason: { code: 'ERR_DATA_DIR_IN_USE' } })
})

void t.test('stop ends the server, gives the folder free, and may be called again', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir)
  await Promise.all([server.stop(), server.stop()])
  await server.stop()
  t.equal(await findProcess(server.pid), null)
  t.notOk((await readdir(dataDir)).some((name) => name.startsWith('service.lock')), 'no lock is left')
  t.strictSame(await readdir(join(dataDir, 'run')), [], 'no socket is left')
})

void t.test('stop succeeds although connections are open, and although the server was killed', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir)
  const cut = query(server.connectionString, 'SELECT pg_sleep(600)')
  await until(async () => (await query(server.connectionString, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length === 1)
  await t.resolves(Promise.all([server.stop(), t.rejects(cut)]))
  const again = await start(t, dataDir)
  process.kill(again.pid, 'SIGKILL')
  await t.resolves(again.stop())
})

void t.test('the socket listens for its owner only, and TCP not at all', async (t) => {
  const dataDir = await temporaryFolder(t)
  const server = await start(t, dataDir)
  const [settings] = await query(server.connectionString, "SELECT current_setting('listen_addresses') AS tcp, current_setting('fsync') AS fsync")
  t.strictSame(settings, { tcp: '', fsync: 'off' }, 'and the settings given are in force')
  t.equal((await stat(join(dataDir, 'run'))).mode & 0o777, 0o700)
})

void t.test('on loopback a wrong password is refused', async (t) => {
  const server = await start(t, await temporaryFolder(t), { listen: 'loopback', database: 'my "own" db' })
  const url = new URL(server.connectionString)
  t.equal(url.hostname, '127.0.0.1')
  t.strictSame(await query(server.connectionString, 'SELECT current_database() AS name'), [{ name: 'my "own" db' }])
  url.password = 'guessed'
  await t.rejects(query(url.href, 'SELECT 1'), { code: '28P01' })
})

void t.test('the server is durable unless told otherwise', async (t) => {
  const server = await start(t, await temporaryFolder(t), { settings: {} })
  const [settings] = await query(server.connectionString, "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit, current_setting('full_page_writes') AS pages")
  t.strictSame(settings, { fsync: 'on', commit: 'on', pages: 'on' })
})

void t.test('the password is in a file of its owner, and in no log', async (t) => {
  const dataDir = await temporaryFolder(t)
  const lines: string[] = []
  const server = await start(t, dataDir, { log: (line) => lines.push(line) })
  await server.stop()
  const { password } = new URL(server.connectionString)
  t.ok(password.length >= 32)
  t.ok(lines.length >= 2)
  t.notOk(lines.join('\n').includes(password))
  t.notOk((await readFile(join(dataDir, 'postgres.log'), 'utf8')).includes(password))
  for (const name of ['password', 'postgres.log']) t.equal((await stat(join(dataDir, name))).mode & 0o777, 0o600, name)
})

void t.test('a path too long for a socket is no hindrance, and nothing is left of the other path', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'x'.repeat(120))
  const server = await start(t, dataDir)
  const host = new URL(server.connectionString).searchParams.get('host') ?? ''
  t.notOk(host.startsWith(dataDir))
  t.equal((await stat(host)).mode & 0o777, 0o700)
  await server.stop()
  await t.rejects(stat(host), { code: 'ENOENT' })
})

void t.test('an initdb cut short is begun anew', async (t) => {
  const dataDir = await temporaryFolder(t)
  await mkdir(join(dataDir, 'unfinished-0123abcd', 'base'), { recursive: true })
  await writeFile(join(dataDir, 'unfinished-0123abcd', 'PG_VERSION'), '15\n')
  await writeFile(join(dataDir, 'password'), '') // cut short before it was filled
  const server = await start(t, dataDir)
  t.strictSame(await query(server.connectionString, 'SELECT 1 AS one'), [{ one: 1 }])
  t.notOk((await readdir(dataDir)).includes('unfinished-0123abcd'))
})

void t.test('data of another major version are refused by name and left alone', async (t) => {
  const dataDir = await temporaryFolder(t)
  await mkdir(join(dataDir, 'cluster'))
  await writeFile(join(dataDir, 'cluster', 'PG_VERSION'), '9\n')
  const refusal = await startEmbeddedPostgres({ dataDir }).then(() => null, (error: unknown) => error)
  t.match(refusal, { code: 'ERR_DATA_DIR_VERSION', message: /by PostgreSQL 9, .* only PostgreSQL \d\d/ })
  t.strictSame((await readdir(dataDir, { recursive: true })).sort(), ['cluster', join('cluster', 'PG_VERSION')])
})

void t.test('a folder whose password is gone or wrong is refused, and no server is left', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  await first.stop()
  await writeFile(join(dataDir, 'password'), 'another\n')
  await t.rejects(startEmbeddedPostgres({ dataDir, settings: FAST }), { code: 'ERR_DATA_DIR_BROKEN' })
  await rm(join(dataDir, 'password'))
  await t.rejects(startEmbeddedPostgres({ dataDir, settings: FAST }), { code: 'ERR_DATA_DIR_BROKEN' })
  t.notOk((await readdir(join(dataDir, 'cluster'))).includes('postmaster.pid'))
})

void t.test('a server that ends while starting is an error that shows what it said', async (t) => {
  const dataDir = await temporaryFolder(t)
  const refusal = await startEmbeddedPostgres({ dataDir, settings: { ...FAST, max_connections: 'many' } }).then(() => null, (error: unknown) => error)
  t.match(refusal, { code: 'ERR_POSTGRES_START', message: /max_connections.*"many"/ })
  await t.resolves(start(t, dataDir), 'the next start works')
})
