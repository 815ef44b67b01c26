import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Listener } from '../../stores/postgres/listener.js'
import type { ReachedDatabase } from '../database/reach.js'
import { withClient } from '../database/reach.js'
import { fault, ok } from './finding.js'
import type { Finding } from './finding.js'

const SETUP_MS = 5_000
const ARRIVAL_MS = 3_000
const BACKEND = { label: 'backend', name: 'backend', text: 'SELECT pg_backend_pid()::text AS pid', values: [] }
/** What to set, for whoever has a pooler and has not said so. */
export const POOLED = 'set DATABASE_DIRECT_URL to the database itself, past the pooler, and DATABASE_POOLER=transaction'

type Ways = Pick<ReachedDatabase, 'connectionString' | 'directConnectionString' | 'pooler'>

/**
 * Whether news of revoked tokens reaches the nodes: listens as a node does, notifies as a change of a session does, and
 * waits for it to arrive. While it does not, every access token is looked up in the database.
 */
export async function checkFeed (ways: Ways): Promise<Finding> {
  const channel = `silverback:doctor:${randomBytes(12).toString('hex')}`
  const over = new AbortController()
  let hear = (): void => {}
  const heard = new Promise<'heard'>((resolve) => { hear = () => { resolve('heard') } })
  const listener = new Listener({ connectionString: ways.directConnectionString }, { onNotification: hear, onLost: () => {} })
  try {
    const pid = await within(SETUP_MS, over.signal, listenOn(listener, channel))
    if (pid !== listener.processId) {
      return fault('feed', 'LISTEN leads through a pooler in transaction mode: news of revoked tokens arrives at times, or never', POOLED)
    }
    const sentAt = performance.now()
    await withClient(ways.connectionString, async (client) => { await client.query('SELECT pg_notify($1, $2)', [channel, 'doctor']) })
    const arrived = await Promise.race([heard, pause(ARRIVAL_MS, 'silence', { signal: over.signal })])
    return arrived === 'heard'
      ? ok('feed', `news of revoked tokens arrives within ${Math.ceil(performance.now() - sentAt)} ms`)
      : fault('feed', `a notification did not arrive within ${ARRIVAL_MS / 1000} seconds: revoked tokens are not told to the nodes`, 'DATABASE_DIRECT_URL must lead to the same database of the same server as DATABASE_URL, past any pooler')
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    return fault('feed', `the connection for LISTEN cannot be opened${why}`, 'check DATABASE_DIRECT_URL, or DATABASE_URL where that is not set')
  } finally {
    over.abort()
    listener.end()
  }
}

/** Resolves to the server's process that serves the connection now. */
async function listenOn (listener: Listener, channel: string): Promise<string | null | undefined> {
  await listener.connect()
  await listener.listen(channel)
  const [row] = await listener.send(BACKEND)
  return row?.['pid']
}

async function within<T> (ms: number, signal: AbortSignal, work: Promise<T>): Promise<T> {
  return await Promise.race([work, pause(ms, undefined, { signal }).then(() => { throw new Error('no answer') })])
}
