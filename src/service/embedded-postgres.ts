/**
 * A PostgreSQL server of the service's own, for machines on which nobody has set one up.
 *
 * @module
 */
import { mkdir, realpath } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { refuseForeignFolder } from './embedded-postgres/account.js'
import type { BinariesChoice } from './embedded-postgres/binaries.js'
import { clusterVersion, layoutOf, readPassword, type Layout } from './embedded-postgres/cluster.js'
import { connectionStringOf, ensureDatabase } from './embedded-postgres/connection.js'
import type { Listen } from './embedded-postgres/endpoint.js'
import { EmbeddedPostgresError, codeOf } from './embedded-postgres/errors.js'
import { lockFolder } from './embedded-postgres/lock.js'
import type { RunningServer } from './embedded-postgres/postmaster.js'
import { adoptServer, startServer, stopServer } from './embedded-postgres/server.js'
import { watchEnd } from './embedded-postgres/watch.js'

export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './embedded-postgres/errors.js'

const DATABASE = 'silverback'

export interface EmbeddedPostgresOptions {
  /** The folder that keeps the data; made when missing, with access for its owner only. */
  readonly dataDir: string
  /** Told in a line each what happens. Never told the password. Default: nobody. */
  readonly log?: (message: string) => void
  /** Told in a line, once, when the server has ended though nobody called `stop()`. Default: nobody. */
  readonly onEnd?: (message: string) => void
  /** Whose programs to use: `'system'`, `'npm'`, or a folder with `initdb` and `postgres`. Default: the first that work. */
  readonly binaries?: BinariesChoice
  /** The database to make and connect to. Default `'silverback'`. */
  readonly database?: string
  /** Settings of `postgresql.conf`. Not in force for a server that is adopted. Default: PostgreSQL's, which are durable. */
  readonly settings?: Readonly<Record<string, string>>
  /** `'socket'`: a Unix socket only. `'loopback'`: 127.0.0.1 too, on a free port, and in the connection string. Default `'socket'`. */
  readonly listen?: Listen
  /** The program that gives root a user namespace. Default `'unshare'`, as found in `PATH`. */
  readonly unshare?: string
}

export interface EmbeddedPostgres {
  /** For `pg`, node-pg-migrate and psql. A secret: it holds the superuser's password. */
  readonly connectionString: string
  /** The absolute path of the data folder. */
  readonly directory: string
  /** Of PostgreSQL's main process. */
  readonly pid: number
  /** Whether the server was found running, left behind by a service that was killed. */
  readonly adopted: boolean
  /**
   * Stops the server, cutting open connections, and gives the folder free. Calls after the first share its outcome.
   *
   * @throws EmbeddedPostgresError `ERR_POSTGRES_STOP` when the server still runs; the folder is free all the same
   */
  stop (): Promise<void>
}

/**
 * Starts PostgreSQL on a data folder, or takes over the server that a killed service left running there.
 *
 * The data survive `stop()` and the death of this process. The latter does not stop the server: call `stop()`.
 * Of simultaneous calls for one folder, in one process or in many, exactly one succeeds.
 *
 * @throws EmbeddedPostgresError by code; the folder is then free again, and what was started is stopped
 */
export async function startEmbeddedPostgres (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, onEnd, binaries, settings = {}, listen = 'socket', unshare = 'unshare' } = options
  if (process.platform === 'win32') {
    throw new EmbeddedPostgresError('ERR_POSTGRES_MISSING', 'the embedded PostgreSQL does not run on Windows: set DATABASE_URL')
  }
  const directory = await openFolder(resolve(dataDir))
  const lock = await lockFolder(directory)
  try {
    const layout = layoutOf(directory)
    const adopted = await adoptServer(layout)
    const server = adopted ?? await startServer(layout, { binaries, settings, listen, unshare })
    log?.(`PostgreSQL ${adopted === null ? 'started' : 'found running and taken over'} (pid ${server.identity.pid}), data in ${directory}`)
    const connectionString = await openDatabase(layout, server, options.database ?? DATABASE)
    const unwatch = watchEnd(server.identity, () => { onEnd?.(`the embedded PostgreSQL ended (see its log ${layout.log}): restart the service`) })
    const stop = once(async () => {
      unwatch()
      await stopServer(server).finally(lock.release)
      log?.(`PostgreSQL stopped (pid ${server.identity.pid})`)
    })
    return { connectionString, directory, pid: server.identity.pid, adopted: adopted !== null, stop }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** A server that is used for a while and may be somebody else's. */
export interface BorrowedPostgres {
  /** A secret: it holds the superuser's password. */
  readonly connectionString: string
  /** Stops the server if it was started for this use. Calls after the first share its outcome. */
  giveBack (): Promise<void>
}

/**
 * Uses the server of a service that runs on the data folder, and leaves it running; where none runs, starts one.
 *
 * @param options `makes: false`: where there is no database yet, none is made, nor the folder. Default `true`
 * @throws EmbeddedPostgresError as `startEmbeddedPostgres`; `ERR_DATA_DIR_IN_USE` when who holds the folder has no server;
 * `ERR_DATA_DIR_EMPTY` where none is made
 */
export async function borrowEmbeddedPostgres ({ makes = true, ...options }: EmbeddedPostgresOptions & { readonly makes?: boolean }): Promise<BorrowedPostgres> {
  if (!makes) await refuseEmptyFolder(resolve(options.dataDir))
  try {
    const own = await startEmbeddedPostgres(options)
    return { connectionString: own.connectionString, giveBack: own.stop }
  } catch (error) {
    if (!(error instanceof EmbeddedPostgresError) || error.code !== 'ERR_DATA_DIR_IN_USE') throw error
    const layout = layoutOf(await realpath(resolve(options.dataDir)))
    const server = await adoptServer(layout)
    if (server === null) throw error
    const access = { endpoint: server.endpoint, password: await readPassword(layout) }
    return { connectionString: connectionStringOf(access, options.database ?? DATABASE), giveBack: async () => {} }
  }
}

async function refuseEmptyFolder (folder: string): Promise<void> {
  const isThere = await clusterVersion(layoutOf(folder)).then((version) => version !== null, () => true) // what cannot be read is told on the way
  if (!isThere) throw new EmbeddedPostgresError('ERR_DATA_DIR_EMPTY', `there is no database yet in ${folder}`)
}

/** Makes the folder, closed to others, unless it is there. Resolves to its real path, by which a running server is known. */
async function openFolder (folder: string): Promise<string> {
  await mkdir(dirname(folder), { recursive: true }) // as open as usual: the account that stands in for root passes through
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => { if (codeOf(error) !== 'EEXIST') throw error })
  await refuseForeignFolder(folder)
  return await realpath(folder)
}

async function openDatabase (layout: Layout, server: RunningServer, database: string): Promise<string> {
  try {
    const access = { endpoint: server.endpoint, password: await readPassword(layout) }
    await ensureDatabase(access, database)
    return connectionStringOf(access, database)
  } catch (error) {
    await stopServer(server)
    throw error
  }
}

function once (action: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined
  return () => (outcome ??= action())
}
