import { isAnswered, type RotationCase, ROTATION_CASES } from '../../tokens/rotation.js'
import type { Rotation } from '../../tokens/store.js'
import type { Json } from '../../session/store.js'
import { type Row, type Seconds, toClaims, toDate } from './rows.js'

/** What the statements select of a presented token. */
type RotationRow = readonly [
  sessionId: string, found: string, userId: string, claims: Json, authenticatedAt: Seconds | null, expiresAt: Seconds, generation: number,
  tokenHash: string, deliveredAt: Seconds, at: Seconds, issuedAt: Seconds
]

/**
 * How presented tokens were judged, by session: those that have a lineage.
 *
 * @throws TypeError when the statement did not say: an error of this module's own
 */
export function toRotations (row: Row | undefined): ReadonlyMap<string, Rotation> {
  const text = row?.['rotations']
  if (text === undefined) throw new TypeError('the statement gave no rotations')
  const rows = JSON.parse(text ?? '[]') as readonly RotationRow[]
  return new Map(rows.map((row) => [row[0], toRotation(row)]))
}

function toRotation ([sessionId, case_, userId, claims, authenticatedAt, expiresAt, generation, tokenHash, deliveredAt, at, issuedAt]: RotationRow): Rotation {
  const found = caseOf(case_)
  if (!isAnswered(found)) return { found, facts: null }
  return {
    found,
    facts: {
      sessionId,
      userId,
      claims: toClaims(claims),
      authenticatedAt: authenticatedAt === null ? null : instant(authenticatedAt),
      expiresAt: instant(expiresAt),
      generation,
      tokenHash: new Uint8Array(Buffer.from(tokenHash, 'hex')),
      deliveredAt: instant(deliveredAt),
      at: instant(at),
      issuedAt: instant(issuedAt)
    }
  }
}

function caseOf (name: string): RotationCase {
  const found = ROTATION_CASES.find((one) => one === name)
  if (found === undefined) throw new TypeError(`the statement gave no case: ${name}`)
  return found
}

const instant = (seconds: Seconds): number => toDate(seconds).getTime()
