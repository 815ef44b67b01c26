/**
 * Where a server listens: its socket, and its port on the loopback address when asked for.
 *
 * @module
 */
import { once } from 'node:events'
import { chown, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Account } from './account.js'
import type { Layout } from './cluster.js'

/** `'socket'`: a Unix socket in a folder closed to others. `'loopback'`: the address 127.0.0.1 as well, on a free port. */
export type Listen = 'socket' | 'loopback'

export interface Endpoint {
  /** `127.0.0.1`, or `null` when there is only the socket. */
  readonly address: string | null
  /** The TCP port; also a part of the socket's name. */
  readonly port: number
  readonly socketFolder: string
}

/** The longest path of a socket, in bytes, on the system that allows least (macOS). */
const LONGEST_SOCKET_PATH = 103
const LOOPBACK = '127.0.0.1'
/** Only a name where nothing listens on TCP. */
const SOCKET_PORT = 5_432
const TEMPORARY = 'silverback-'

/** Chooses where a new server will listen. The socket's folder is closed to all but the account. */
export async function chooseEndpoint (layout: Layout, listen: Listen, { credentials }: Account): Promise<Endpoint> {
  const address = listen === 'loopback' ? LOOPBACK : null
  const port = address === null ? SOCKET_PORT : await freePort()
  const longest = socketPath({ socketFolder: layout.run, port: 65_535 })
  if (Buffer.byteLength(longest) <= LONGEST_SOCKET_PATH) return { address, port, socketFolder: layout.run }
  const socketFolder = await mkdtemp(join(tmpdir(), TEMPORARY)) // made with mode 0700
  if (credentials !== null) await chown(socketFolder, credentials.uid, credentials.gid)
  return { address, port, socketFolder }
}

/** Removes what a stopped server's socket leaves behind. A folder that is not a temporary one of ours is kept. */
export async function discardEndpoint (endpoint: Endpoint): Promise<void> {
  const { socketFolder } = endpoint
  if (dirname(socketFolder) !== tmpdir() || !basename(socketFolder).startsWith(TEMPORARY)) return
  const socket = socketPath(endpoint)
  for (const path of [socket, `${socket}.lock`]) await rm(path, { force: true })
  await rmdir(socketFolder).catch(() => {}) // not empty, so not ours alone, or gone already
}

/** Whether another program has taken the port since it was chosen. */
export async function isPortTaken ({ address, port }: Endpoint): Promise<boolean> {
  return address !== null && await bindPort(port).then(() => false, () => true)
}

const freePort = (): Promise<number> => bindPort(0)

async function bindPort (port: number): Promise<number> {
  const server = createServer().listen(port, LOOPBACK)
  await once(server, 'listening')
  const bound = server.address()
  server.close()
  await once(server, 'close')
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server without a port')
  return bound.port
}

const socketPath = ({ socketFolder, port }: Pick<Endpoint, 'socketFolder' | 'port'>): string =>
  join(socketFolder, `.s.PGSQL.${port}`)
