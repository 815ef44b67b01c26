/** Lineages whose hashes are one byte, and when two of them are alike. */

import type { Lineage, LineageSession, PresentedToken, RotationRules } from '../../../src/tokens/rotation.js'

/** Milliseconds; rules are in seconds, so that a tick is one. */
export const TICK = 1000

export const LIVE: LineageSession = { userId: 'ada', expiresAt: Infinity, blockedAt: null }

/** The hash of the only secret that a generation has. */
export const hashOf = (generation: number): Uint8Array => Uint8Array.of(generation)

export const tokenOf = (generation: number): PresentedToken => ({
  sessionId: 'a session', generation, hash: hashOf(generation), successorHashes: [hashOf(generation + 1)], requestUserId: null
})

/** Just issued, and received. */
export const BEGINNING: Lineage = {
  generation: 1, tokenHash: hashOf(1), previousHash: null, userId: 'ada', deliveredAt: 0, confirmedAt: null, replays: 0, revokedAt: null
}

/** The number that the newest generation has in lineages that stand for all like them. */
const NEWEST = 3

/**
 * The lineage that stands, at 0, for all that are judged alike: the number of generations and by how much an instant is
 * past every limit make no difference. `shown`: what another generation is called there; all that are further behind
 * than the one before the last are alike.
 */
export function standForLineage (rules: RotationRules, lineage: Lineage, now: number): { lineage: Lineage, shown: (generation: number) => number } {
  const afterWindow = rules.stragglerWindow + 1
  const ago = (instant: number, limit: number): number => Math.max(-limit * TICK, instant - now)
  const shown = (generation: number): number => Math.max(NEWEST - 2, generation - lineage.generation + NEWEST)
  // of a generation with a second secret, which no true machine has, the hash is the number with a mark
  const shownHash = ([byte = 0]: Uint8Array): Uint8Array => Uint8Array.of(shown(byte & 0x7f) | (byte & 0x80))
  return {
    lineage: {
      ...lineage,
      generation: NEWEST,
      tokenHash: shownHash(lineage.tokenHash),
      previousHash: lineage.previousHash && shownHash(lineage.previousHash),
      deliveredAt: ago(lineage.deliveredAt, Math.max(rules.minGenerationAge, afterWindow)),
      confirmedAt: lineage.confirmedAt === null ? null : ago(lineage.confirmedAt, afterWindow),
      replays: 0
    },
    shown
  }
}

/** The same text for lineages that are judged alike. */
export const nameOfLineage = ({ tokenHash, previousHash, deliveredAt, confirmedAt }: Lineage): string =>
  `${tokenHash.join()} ${previousHash?.join() ?? '-'} ${deliveredAt} ${confirmedAt ?? '-'}`
