/**
 * A server on a data folder: taken over when one runs there, else made ready and started.
 *
 * All of it is for the holder of the folder's lock.
 *
 * @module
 */
import { mkdir, stat, truncate } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { chooseAccount } from './account.js'
import { findBinaries, type BinariesChoice } from './binaries.js'
import { adjustOwner, clusterVersion, createCluster, readPassword, type Layout } from './cluster.js'
import { awaitReady } from './connection.js'
import { chooseEndpoint, discardEndpoint, isPortTaken, type Listen } from './endpoint.js'
import { EmbeddedPostgresError } from './errors.js'
import { readTail } from './files.js'
import { findPostmaster, findRecord, startPostmaster, stopPostmaster, type RunningServer, type StartRequest } from './postmaster.js'
import { isRunning } from './process.js'

const LONGEST_LOG_BYTES = 1_048_576
/** How long to try again after a crash: the last processes of the old server may take a moment to end. */
const AFTER_CRASH_MS = 10_000
const RETRY_EVERY_MS = 50
/** A port chosen as free may be taken before the server has it. */
const PORT_ATTEMPTS = 5

export interface ServerOptions {
  readonly binaries: BinariesChoice | undefined
  readonly listen: Listen
  readonly settings: Readonly<Record<string, string>>
  readonly unshare: string
}

/** Takes over the server that runs on the folder; `null` when none does, or when it ends before it lets us in. */
export async function adoptServer (layout: Layout): Promise<RunningServer | null> {
  if (await findPostmaster(layout) === null) return null
  return await awaitReady(await readPassword(layout), () => findPostmaster(layout))
}

/**
 * Starts a server on a folder where none runs, with a new cluster if there is none, and waits until it lets us in.
 *
 * @throws EmbeddedPostgresError of any code but `ERR_DATA_DIR_IN_USE`; no server of ours is left running
 */
export async function startServer (layout: Layout, { binaries: choice, listen, settings, unshare }: ServerOptions): Promise<RunningServer> {
  const version = await clusterVersion(layout)
  const binaries = await findBinaries(choice, version, layout.folder)
  if (version !== null) await readPassword(layout) // without it, leave everything as it is
  await mkdir(layout.run, { recursive: true, mode: 0o700 })
  const account = await chooseAccount({ folder: layout.folder, scratch: layout.run, postgres: binaries.postgres, unshare })
  if (version === null) await createCluster(layout, binaries, account, { sync: settings['fsync'] !== 'off' })
  else await adjustOwner(layout, account)

  const crashed = await findRecord(layout)
  if (crashed?.endpoint != null) await discardEndpoint(crashed.endpoint)
  const retryUntil = performance.now() + (crashed === null ? 0 : AFTER_CRASH_MS)
  for (let attempt = 1; ; attempt++) {
    const endpoint = await chooseEndpoint(layout, listen, account)
    const logStart = await beginLog(layout)
    const server = await tryStart({ layout, binaries, account, endpoint, settings })
    if (server !== null) return server
    const again = performance.now() < retryUntil || (attempt < PORT_ATTEMPTS && await isPortTaken(endpoint))
    await discardEndpoint(endpoint)
    if (!again) throw await startError(layout, logStart)
    await pause(RETRY_EVERY_MS)
  }
}

/** Stops a server and removes what its socket leaves behind. A no-op when it is gone. */
export async function stopServer (server: RunningServer): Promise<void> {
  await stopPostmaster(server)
  await discardEndpoint(server.endpoint)
}

/** `null` when the server ended before it let us in. */
async function tryStart (request: StartRequest): Promise<RunningServer | null> {
  const password = await readPassword(request.layout)
  const server = await startPostmaster(request)
  try {
    return await awaitReady(password, async () => await isRunning(server.identity) ? server : null)
  } catch (error) {
    await stopPostmaster(server)
    throw error
  }
}

/** Where in the log the lines of a new server will begin. A long log is emptied before. */
async function beginLog ({ log }: Layout): Promise<number> {
  const size = await stat(log).then((file) => file.size, () => 0)
  if (size <= LONGEST_LOG_BYTES) return size
  await truncate(log)
  return 0
}

async function startError ({ log }: Layout, logStart: number): Promise<EmbeddedPostgresError> {
  const said = (await readTail(log, logStart)).trim()
  return new EmbeddedPostgresError('ERR_POSTGRES_START', `PostgreSQL ended while starting; from ${log}:\n${said}`)
}
