/**
 * What the tests of the embedded PostgreSQL share: temporary folders, servers, and services in processes of their own.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from '../../src/service/embedded-postgres.js'
import { layoutOf } from '../../src/service/embedded-postgres/cluster.js'
import { findPostmaster, stopPostmaster } from '../../src/service/embedded-postgres/postmaster.js'

/** For data that may be lost with the machine. */
export const FAST = { fsync: 'off', shared_buffers: '16MB' }

const LAUNCHER = new URL('../../dist/service/embedded-postgres.js', import.meta.url).href

/** An empty folder with a short path, through which root's stand-ins may pass; removed after the test. */
export async function temporaryFolder (t: Test): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sb-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711)
  return folder
}

/** A server that is stopped after the test, should the test not have done so. */
export async function start (t: Test, dataDir: string, options: Omit<EmbeddedPostgresOptions, 'dataDir'> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ settings: FAST, ...options, dataDir })
  t.teardown(() => server.stop())
  return server
}

/** The rows of one statement, on a connection of its own. */
export async function query (connectionString: string, text: string): Promise<Array<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {}) // a server that stops cuts it
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

export interface Service {
  readonly child: ChildProcess
  /** Of its PostgreSQL. */
  readonly pid: number
  readonly connectionString: string
}

/**
 * Starts the built launcher in a process of its own, the leader of a process group, that ignores SIGINT. What is left
 * of it and of its server is ended after the test.
 */
export async function startService (t: Test, dataDir: string): Promise<Service> {
  const script = `
    process.on('SIGINT', () => console.log('interrupted'))
    const { startEmbeddedPostgres } = await import(${JSON.stringify(LAUNCHER)})
    const { pid, connectionString } = await startEmbeddedPostgres(${JSON.stringify({ dataDir, settings: FAST })})
    console.log(JSON.stringify({ pid, connectionString }))
    process.stdin.resume().on('end', () => process.exit())` // should the test be killed, it ends too
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(async () => {
    await kill(child)
    const left = await findPostmaster(layoutOf(dataDir))
    if (left !== null) await stopPostmaster(left)
  })
  const started: unknown = JSON.parse(await nextLine(child))
  if (typeof started !== 'object' || started === null || !('pid' in started) || !('connectionString' in started)) throw new Error('no server')
  return { child, pid: Number(started.pid), connectionString: String(started.connectionString) }
}

/** The next line that the child writes. */
export async function nextLine (child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('a child without stdout')
  const lines = createInterface(child.stdout)
  const line = await Promise.race([once(lines, 'line'), once(child, 'exit').then(([code]) => { throw new Error(`the child ended with ${code}`) })])
  lines.close()
  return String(line[0])
}

/** Ends a child at once, without a chance to tidy up. A no-op when it has ended. */
export async function kill (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Resolves when the condition holds; the time limit of the test bounds the wait. */
export async function until (condition: () => Promise<boolean>): Promise<void> {
  while (!await condition()) await pause(10)
}
