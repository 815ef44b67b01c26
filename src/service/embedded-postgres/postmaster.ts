/**
 * The main process of a PostgreSQL server: found, started and stopped.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { underAccount, type Account } from './account.js'
import type { Binaries } from './binaries.js'
import type { Layout } from './cluster.js'
import type { Endpoint } from './endpoint.js'
import { EmbeddedPostgresError } from './errors.js'
import { readIfThere } from './files.js'
import { awaitEnd, findProcess, isRunning, servesCluster, type ProcessIdentity } from './process.js'

const FAST_STOP_WITHIN_MS = 15_000
const IMMEDIATE_STOP_WITHIN_MS = 10_000

export interface Postmaster {
  readonly identity: ProcessIdentity
  /** `null` while it has not written down where it listens. */
  readonly endpoint: Endpoint | null
}

/** A server that has let us in. */
export interface RunningServer extends Postmaster {
  readonly endpoint: Endpoint
}

/** What a server wrote down about itself. It does so while it runs, and a killed one leaves it behind. */
export interface ServerRecord {
  readonly pid: number
  readonly endpoint: Endpoint | null
}

/** `null` when the last server on the cluster ended in order. */
export async function findRecord ({ cluster }: Layout): Promise<ServerRecord | null> {
  const lines = (await readIfThere(join(cluster, 'postmaster.pid')) ?? '').split('\n')
  const [pidLine, , , port, socketFolder = '', address = '', , status = ''] = lines
  const pid = Number(pidLine)
  if (!Number.isSafeInteger(pid) || pid < 1) return null
  if (socketFolder === '' || status === '') return { pid, endpoint: null } // still being written
  return { pid, endpoint: { address: address === '' ? null : address, port: Number(port), socketFolder } }
}

/** The server that runs on the cluster, whoever started it; `null` when there is none. */
export async function findPostmaster (layout: Layout): Promise<Postmaster | null> {
  const record = await findRecord(layout)
  const identity = record === null ? null : await findProcess(record.pid)
  if (record === null || identity === null) return null
  return await servesCluster(identity.pid, layout.cluster) ? { identity, endpoint: record.endpoint } : null
}

export interface StartRequest {
  readonly layout: Layout
  readonly binaries: Binaries
  readonly account: Account
  readonly endpoint: Endpoint
  readonly settings: Readonly<Record<string, string>>
}

/**
 * Starts a server and resolves at once: it may not be ready, or may have ended already.
 *
 * It is the leader of a session of its own, so a Ctrl-C meant for the service does not reach it, and it does
 * not keep this process alive. What it says goes into the log.
 */
export async function startPostmaster ({ layout, binaries, account, endpoint, settings }: StartRequest): Promise<Postmaster> {
  const all = {
    ...settings,
    listen_addresses: endpoint.address ?? '',
    port: String(endpoint.port),
    unix_socket_directories: endpoint.socketFolder,
    unix_socket_permissions: '0700',
    logging_collector: 'off'
  }
  const { file, args, options } = underAccount(account, binaries.postgres,
    ['-D', layout.cluster, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])])
  // PostgreSQL will not start while the pid of a crashed server belongs to some other live process, unless it is told,
  // as pg_ctl does for its parent, that the pid is not a server's. Its check for shared memory in use still holds.
  const stale = await findRecord(layout)
  const env = stale === null ? options.env : { ...options.env, PG_GRANDPARENT_PID: String(stale.pid) }
  const log = await open(layout.log, 'a', 0o600)
  try {
    const child = spawn(file, args, { ...options, env, detached: true, stdio: ['ignore', log.fd, log.fd] })
    await once(child, 'spawn') // rejects with the error when the program cannot be started
    child.unref()
    const pid = child.pid ?? 0
    return { identity: await findProcess(pid) ?? { pid, startTime: null }, endpoint }
  } finally {
    await log.close()
  }
}

/**
 * Stops a server: open transactions are rolled back and connections cut; if that takes too long, at once, with
 * crash recovery at the next start. Resolves when the process is gone; a no-op when it is already.
 *
 * @throws EmbeddedPostgresError `ERR_POSTGRES_STOP` when it still runs
 */
export async function stopPostmaster ({ identity }: Postmaster): Promise<void> {
  for (const [signal, withinMs] of [['SIGINT', FAST_STOP_WITHIN_MS], ['SIGQUIT', IMMEDIATE_STOP_WITHIN_MS]] as const) {
    if (!await isRunning(identity)) return
    try {
      process.kill(identity.pid, signal)
    } catch {
      // Gone in between, or not ours to stop: the wait tells.
    }
    if (await awaitEnd(identity, withinMs)) return
  }
  throw new EmbeddedPostgresError('ERR_POSTGRES_STOP', `PostgreSQL (pid ${identity.pid}) does not stop: end it by hand`)
}
