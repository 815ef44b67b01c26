import { isAnswered, ROTATION_CASES } from '../../tokens/rotation.js'
import type { LineageFacts, Rotation } from '../../tokens/store.js'
import { type Row, text, toClaims, toDate } from './rows.js'

/** How a presented token was judged. @throws TypeError when the statement did not say: an error of this module's own */
export function toRotation (row: Row): Rotation {
  const found = ROTATION_CASES.find((name) => name === row['found'])
  if (found === undefined) throw new TypeError(`the statement gave no case: ${String(row['found'])}`)
  return isAnswered(found) ? { found, facts: toFacts(row) } : { found, facts: null }
}

function toFacts (row: Row): LineageFacts {
  const authenticatedAt = row['authenticated_at']
  return {
    sessionId: text(row, 'session_id'),
    userId: text(row, 'user_id'),
    claims: toClaims(JSON.parse(text(row, 'claims'))),
    authenticatedAt: typeof authenticatedAt === 'string' ? instant(authenticatedAt) : null,
    expiresAt: instant(text(row, 'expires_at')),
    generation: Number(text(row, 'generation')),
    tokenHash: new Uint8Array(Buffer.from(text(row, 'token_hash'), 'hex')),
    deliveredAt: instant(text(row, 'delivered_at')),
    at: instant(text(row, 'at')),
    issuedAt: instant(text(row, 'issued_at'))
  }
}

const instant = (epoch: string): number => toDate(epoch).getTime()
