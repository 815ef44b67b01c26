import type { ClientBase } from 'pg'
import { CLEANUP_INTERVAL } from '../../session/options.js'
import { readCleanupLag } from '../database/figures.js'
import { ok, warning } from './finding.js'
import type { Finding } from './finding.js'

/** Where the service does not clean up by itself, somebody else should once a day. */
const BY_HAND_SECONDS = 86_400

/** Whether rows that have expired are older than twice the time between two cleanups. */
export async function checkCleanup (client: Pick<ClientBase, 'query'>, cleanupInterval: number = CLEANUP_INTERVAL): Promise<Finding> {
  const { rows, oldestSeconds } = await readCleanupLag(client)
  const allowed = 2 * (cleanupInterval === 0 ? BY_HAND_SECONDS : cleanupInterval)
  if (oldestSeconds === null || oldestSeconds <= allowed) return ok('cleanup', 'what has expired is removed in time')
  return warning('cleanup', `cleanup is behind: ${rows} rows have expired, the oldest ${Math.round(oldestSeconds / 60)} minutes ago; expected are at most ${Math.round(allowed / 60)}`,
    cleanupInterval === 0
      ? 'SESSION_CLEANUP_INTERVAL is 0: run `silverback cleanup` once a day, or give it a number of seconds'
      : 'check that a service runs, and its log for "cleanup"; remove them now with `silverback cleanup`')
}
