import { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'

const CONNECT_MS = 2_000
const STATEMENT_MS = 2_000
const LOCK_MS = 1_000
const IDLE_MS = 30_000
/** Longer than the longest statement of a request may take. */
const CLOSE_MS = 3_000

/** A pool of one store's own, and the end of it. */
export interface OwnPool {
  readonly pool: pg.Pool
  /** Waits for what is under way, at most three seconds, then cuts what is left: a frozen server holds nobody up (V73). */
  close (): Promise<void>
}

/**
 * Opens a pool; no connection yet.
 *
 * The server ends statements after 2 s and waits for locks after 1 s. Behind a pooler in transaction mode, which
 * takes no such settings, only the deadline of the client applies.
 * @throws TypeError when the connection string cannot be read; the message does not show it
 */
export function openPool (connectionString: string, { max, pooler }: { readonly max: number, readonly pooler: boolean }): OwnPool {
  const sockets = new Set<Socket>()
  const config: pg.PoolConfig = {
    connectionString,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    application_name: 'silverback',
    stream: () => track(new Socket(), sockets),
    ...(!pooler && { statement_timeout: STATEMENT_MS, lock_timeout: LOCK_MS })
  }
  checkReadable(connectionString)
  const pool = new pg.Pool(config)
  return { pool, close: () => closePool(pool, sockets) }
}

function track (socket: Socket, sockets: Set<Socket>): Socket {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
  return socket
}

function checkReadable (connectionString: string): void {
  try {
    // Reads the string; does not connect.
    new pg.Client({ connectionString }).removeAllListeners()
  } catch {
    throw new TypeError('"connectionString" option is no connection string of PostgreSQL')
  }
}

async function closePool (pool: pg.Pool, sockets: ReadonlySet<Socket>): Promise<void> {
  const timeout = new AbortController()
  const closed = Promise.all([pool.end(), ...[...sockets].map(closing)])
  await Promise.race([closed, pause(CLOSE_MS, undefined, { signal: timeout.signal }).catch(() => {})])
  timeout.abort()
  for (const socket of sockets) socket.destroy()
}

function closing (socket: Socket): Promise<void> {
  return new Promise((resolve) => { socket.once('close', () => { resolve() }) })
}
