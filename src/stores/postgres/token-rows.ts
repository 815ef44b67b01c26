import { isAnswered, type RotationCase } from '../../tokens/rotation.js'
import type { LineageFacts, Rotation } from '../../tokens/store.js'
import { type Row, text, toClaims, toDate } from './rows.js'

const CASES: readonly RotationCase[] = ['ROTATE', 'EARLY', 'REPLAY', 'STRAGGLER', 'AHEAD', 'REVOKED', 'EXPIRED', 'BLOCKED', 'WRONG_USER', 'REUSE', 'MISMATCH']

/** How a presented token was judged. @throws TypeError when the statement did not say: an error of this module's own */
export function toRotation (row: Row): Rotation {
  const found = CASES.find((name) => name === row['found'])
  if (found === undefined) throw new TypeError(`the statement gave no case: ${String(row['found'])}`)
  return isAnswered(found) ? { found, facts: toFacts(row) } : { found, facts: null }
}

function toFacts (row: Row): LineageFacts {
  const authenticatedAt = row['authenticated_at']
  return {
    sessionId: text(row, 'session_id'),
    userId: text(row, 'user_id'),
    claims: toClaims(text(row, 'claims')),
    authenticatedAt: typeof authenticatedAt === 'string' ? instant(authenticatedAt) : null,
    expiresAt: instant(text(row, 'expires_at')),
    absoluteExpiresAt: instant(text(row, 'absolute_expires_at')),
    generation: Number(text(row, 'generation')),
    deliveredAt: instant(text(row, 'delivered_at')),
    at: instant(text(row, 'at'))
  }
}

const instant = (epoch: string): number => toDate(epoch).getTime()
