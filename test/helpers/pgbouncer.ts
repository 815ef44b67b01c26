import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { freePort } from './free-port.js'

/** Whether `npm test` could not get the program; it says so at its end, and fails in CI. */
export const hasPgbouncer = !(process.env['SILVERBACK_TEST_WITHOUT'] ?? '').split(',').includes('pgbouncer')

/** Starts PgBouncer in transaction mode before a server; resolves to the connection string that leads through it. */
export async function openPgbouncer (t: Test, connectionString: string): Promise<string> {
  const url = new URL(connectionString)
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
  const port = await freePort()
  await writeFile(join(folder, 'users.txt'), `"${decodeURIComponent(url.username)}" "${decodeURIComponent(url.password)}"\n`, { mode: 0o600 })
  await writeFile(join(folder, 'pgbouncer.ini'), `
[databases]
* = host=${url.hostname} port=${url.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
max_client_conn = 200
default_pool_size = 5
server_login_retry = 1
`)
  // it refuses to run as root: in a user namespace of its own it is somebody else, and the files stay root's
  const args = [join(folder, 'pgbouncer.ini')]
  const child = process.getuid?.() === 0
    ? spawn('unshare', ['--user', '--map-user=1000', '--map-group=1000', '--', 'pgbouncer', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    : spawn('pgbouncer', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => { log += chunk.toString() })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGINT')) await once(child, 'exit')
    await rm(folder, { recursive: true })
  })
  const through = Object.assign(new URL(connectionString), { hostname: '127.0.0.1', port: String(port) }).href
  await untilItAnswers(through, () => {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${log}`)
  })
  return through
}

/** It is not listening yet, or it waits a second after a login that the server refused. */
const PASSING = ['ECONNREFUSED', '08P01']

/** Waits until a query comes through. */
export async function untilItAnswers (connectionString: string, check: () => void = () => {}): Promise<void> {
  for (;;) {
    check()
    const client = new pg.Client({ connectionString })
    client.on('error', () => {}) // the attempt below tells
    try {
      await client.connect()
      await client.query('SELECT 1')
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && PASSING.includes(String(error.code)))) throw error
    } finally {
      await client.end()
    }
  }
}
