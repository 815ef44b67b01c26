import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TokenEventMessage } from '../../tokens/events.js'
import type { AuditedRequest } from '../events/audit.js'
import { LIMITS } from './limits.js'
import type { Throttle } from './throttle.js'

const CHANNEL = 'silverback:tokenRefreshed'
const MINUTE = 60

/** Limits how often a lineage rotates. Answers of refresh that rotate nothing do not count. */
export interface RotationLimit {
  /** @throws RequestError 429: the token is not looked at; StoreError */
  check (sessionId: string, request: AuditedRequest): Promise<void>
  close (): void
}

/**
 * A lineage rotates once in `minGenerationAge` at most: where that says enough, nothing is counted. Else rotations are
 * counted as they are told.
 *
 * @param source the Tokens whose rotations count
 */
export function limitRotations (throttle: Throttle, source: object, minGenerationAge: number | undefined): RotationLimit {
  const { most } = LIMITS.rotation
  if (minGenerationAge === undefined || minGenerationAge >= MINUTE / most) return { check: async () => {}, close: () => {} }
  const count = (told: unknown): void => {
    const { source: by, outcome, sessionId } = told as TokenEventMessage<'tokenRefreshed'> // nobody else writes to the channel
    if (by !== source || outcome !== 'ROTATE' || sessionId === null) return
    throttle.count({ limit: LIMITS.rotation, of: sessionId }).catch(() => { /* one that is not counted does no harm */ })
  }
  subscribe(CHANNEL, count)
  return {
    check: async (sessionId, request) => { await throttle.refuse({ limit: LIMITS.rotation, of: sessionId }, request, { sessionId }) },
    close: () => { unsubscribe(CHANNEL, count) }
  }
}
