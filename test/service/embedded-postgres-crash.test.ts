import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { findProcess } from '../../src/service/embedded-postgres/process.js'
import { kill, nextLine, query, start, startService, temporaryFolder, until } from './embedded-postgres-parts.js'

void t.test('the server of a killed service is taken over with its data, and stop ends it', async (t) => {
  const dataDir = await temporaryFolder(t)
  const service = await startService(t, dataDir)
  await query(service.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await kill(service.child)
  t.not(await findProcess(service.pid), null, 'it outlives the service')

  const server = await start(t, dataDir)
  t.equal(server.adopted, true)
  t.equal(server.pid, service.pid)
  t.strictSame(await query(server.connectionString, 'SELECT answer FROM kept'), [{ answer: 42 }])
  await server.stop()
  t.equal(await findProcess(service.pid), null)
})

void t.test('a folder is refused while a service in another process holds it', async (t) => {
  const dataDir = await temporaryFolder(t)
  const { child, pid } = await startService(t, dataDir)
  await t.rejects(start(t, dataDir), { code: 'ERR_DATA_DIR_IN_USE', message: new RegExp(`pid ${child.pid}\\b`) })
  await kill(child)
  t.equal((await start(t, dataDir)).pid, pid)
})

void t.test('of several starts that find a killed service exactly one succeeds', async (t) => {
  const dataDir = await temporaryFolder(t)
  const service = await startService(t, dataDir)
  await kill(service.child)
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => start(t, dataDir)))
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'ERR_DATA_DIR_IN_USE' })
  }
})

void t.test('data survive when the service and its server are killed at once', async (t) => {
  const dataDir = await temporaryFolder(t)
  const service = await startService(t, dataDir)
  await query(service.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await kill(service.child)
  process.kill(service.pid, 'SIGKILL')
  await until(async () => await findProcess(service.pid) === null)

  const server = await start(t, dataDir)
  t.equal(server.adopted, false)
  t.strictSame(await query(server.connectionString, 'SELECT answer FROM kept'), [{ answer: 42 }])
})

void t.test('a server that is stopping is waited for, and another one started', async (t) => {
  const dataDir = await temporaryFolder(t)
  const service = await startService(t, dataDir)
  await kill(service.child)
  process.kill(service.pid, 'SIGINT')
  const server = await start(t, dataDir)
  t.equal(server.adopted, false)
  t.strictSame(await query(server.connectionString, 'SELECT 1 AS one'), [{ one: 1 }])
})

void t.test('data survive when the server is killed with a query that goes on, and the start waits for its end', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  await query(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  const busy = Promise.allSettled([query(first.connectionString, `DO $$ BEGIN
    WHILE clock_timestamp() < statement_timestamp() + interval '1.5 s' LOOP END LOOP;
  END $$`)])
  await until(async () => (await query(first.connectionString, "SELECT FROM pg_stat_activity WHERE query LIKE 'DO %'")).length === 1)
  process.kill(first.pid, 'SIGKILL')
  await first.stop()

  const second = await start(t, dataDir)
  t.strictSame(await query(second.connectionString, 'SELECT answer FROM kept'), [{ answer: 42 }])
  await busy // it may get its answer before it notices
})

void t.test('pids that by now belong to other processes are no hindrance, and those live on', async (t) => {
  const dataDir = await temporaryFolder(t)
  const first = await start(t, dataDir)
  const record = await readFile(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8')
  await first.stop()
  const stranger = spawn(process.execPath, ['--eval', "console.log('up'); process.stdin.resume()"], { cwd: join(dataDir, 'cluster') })
  t.teardown(() => kill(stranger))
  await nextLine(stranger)
  const other = await start(t, await temporaryFolder(t))

  for (const pid of [stranger.pid ?? 0, other.pid]) {
    await writeFile(join(dataDir, 'service.lock'), `${pid}\n1\nleft behind\n`)
    await writeFile(join(dataDir, 'cluster', 'postmaster.pid'), record.replace(/^\d+/, String(pid)))
    await writeFile(join(dataDir, 'run', '.s.PGSQL.5432.lock'), record.replace(/^\d+/, String(pid)))
    const server = await start(t, dataDir)
    t.equal(server.adopted, false)
    t.strictSame(await query(server.connectionString, 'SELECT 1 AS one'), [{ one: 1 }])
    await server.stop()
    t.not(await findProcess(pid), null)
  }
})

void t.test("a Ctrl-C that reaches the service's whole process group does not reach the server", async (t) => {
  const dataDir = await temporaryFolder(t)
  const { child, connectionString } = await startService(t, dataDir)
  const interrupted = nextLine(child)
  process.kill(-(child.pid ?? 0), 'SIGINT')
  t.equal(await interrupted, 'interrupted')
  t.strictSame(await query(connectionString, 'SELECT 1 AS one'), [{ one: 1 }])
})
