/**
 * The rotation machine: what a presented refresh token means to its lineage.
 *
 * `decide` is the table of the specification, in its order: the first case that fits answers. `advance` is what the case
 * changes. Both are pure; the memory store and the model checker run them, the SQL of `stores/postgres` says the same.
 *
 * @module
 */
import { equalHashes } from '../core/credential.js'

/** A lineage with what counts of its session. Instants are milliseconds since 1970 by the store's clock. */
export interface Lineage {
  /** Of the newest refresh token; the first is 1. */
  readonly generation: number
  /** SHA-256 of the secret of that token. */
  readonly tokenHash: Uint8Array
  /** The same of the generation before; `null`: there is none, or it is not known. */
  readonly previousHash: Uint8Array | null
  /** For whom the lineage was issued. */
  readonly userId: string
  /** When the newest token was given last. */
  readonly deliveredAt: number
  /** When the newest token was first seen in use: evidence that the client has it; `null`: not yet. */
  readonly confirmedAt: number | null
  /** How often the newest token was given again. */
  readonly replays: number
  readonly revokedAt: number | null
}

/** What counts of the session that a lineage belongs to. */
export interface LineageSession {
  readonly userId: string | null
  readonly expiresAt: number
  readonly blockedAt: number | null
}

/** A refresh token whose MAC is good. */
export interface PresentedToken {
  readonly sessionId: string
  readonly generation: number
  /** SHA-256 of its secret. */
  readonly hash: Uint8Array
  /**
   * SHA-256 of the secrets that are derived from its own, of generation + 1: the first is given where none has been yet.
   * The others are those of other keys, and may have been given for another text of the same token.
   */
  readonly successorHashes: readonly [Uint8Array, ...Uint8Array[]]
  /** The user whose cookie or access token the request carries besides; `null`: nobody's. */
  readonly requestUserId: string | null
}

/** Seconds, decimals allowed. */
export interface RotationRules {
  /** How old a generation is before it is succeeded; longer than the longest round trip. */
  readonly minGenerationAge: number
  /** How long a superseded token is still answered after its successor was seen; at least the longest way of a request. */
  readonly stragglerWindow: number
}

const ANSWERED = ['ROTATE', 'EARLY', 'REPLAY', 'STRAGGLER', 'AHEAD'] as const
const REFUSED = ['REVOKED', 'EXPIRED', 'BLOCKED', 'WRONG_USER', 'REUSE', 'MISMATCH'] as const

/** A case that is answered with tokens. */
export type AnsweredCase = typeof ANSWERED[number]
/** A case that gives none. */
export type RefusedCase = typeof REFUSED[number]
export type RotationCase = AnsweredCase | RefusedCase

/** Every case. */
export const ROTATION_CASES: readonly RotationCase[] = [...ANSWERED, ...REFUSED]

/** Whole, for 1.001 × 1000 is less than 1001. */
const milliseconds = (seconds: number): number => Math.round(seconds * 1000)

/** The case of a presented token. `lineage` or `session` is `null`: there is no such row. */
export function decide (lineage: Lineage | null, session: LineageSession | null, token: PresentedToken, now: number, rules: RotationRules): RotationCase {
  if (lineage === null || session === null || lineage.revokedAt !== null) return 'REVOKED'
  if (session.expiresAt <= now) return 'EXPIRED'
  if (session.blockedAt !== null) return 'BLOCKED'
  if (lineage.userId !== session.userId || (token.requestUserId !== null && token.requestUserId !== session.userId)) return 'WRONG_USER'
  const behind = lineage.generation - token.generation
  if (behind === 0 && equalHashes(lineage.tokenHash, token.hash)) {
    return now - lineage.deliveredAt >= milliseconds(rules.minGenerationAge) ? 'ROTATE' : 'EARLY'
  }
  if (behind === 1 && lineage.previousHash !== null && equalHashes(lineage.previousHash, token.hash)) {
    // what was derived by a key that has been taken away is not what was given
    if (lineage.confirmedAt === null) return token.successorHashes.some((hash) => equalHashes(lineage.tokenHash, hash)) ? 'REPLAY' : 'MISMATCH'
    if (now - lineage.confirmedAt <= milliseconds(rules.stragglerWindow)) return 'STRAGGLER'
  }
  if (behind === 1 && lineage.confirmedAt !== null && now - lineage.confirmedAt > milliseconds(rules.stragglerWindow)) return 'REUSE'
  if (behind >= 2) return 'REUSE'
  return behind < 0 ? 'AHEAD' : 'MISMATCH'
}

/** The lineage after a case. A REUSE blocks the session besides; a ROTATE moves its expiry: the caller's to do. */
export function advance (lineage: Lineage, found: RotationCase, token: PresentedToken, now: number): Lineage {
  switch (found) {
    case 'ROTATE':
      return { ...lineage, generation: lineage.generation + 1, tokenHash: token.successorHashes[0], previousHash: lineage.tokenHash, deliveredAt: now, confirmedAt: null, replays: 0 }
    case 'EARLY':
      return { ...lineage, confirmedAt: lineage.confirmedAt ?? now }
    case 'REPLAY':
      return { ...lineage, deliveredAt: now, replays: lineage.replays + 1 }
    case 'AHEAD':
      return { ...lineage, generation: token.generation, tokenHash: token.hash, previousHash: null, deliveredAt: now, confirmedAt: now, replays: 0 }
    default:
      return lineage
  }
}

/** Whether a case answers with tokens. */
export function isAnswered (found: RotationCase): found is AnsweredCase {
  return ANSWERED.some((name) => name === found)
}
