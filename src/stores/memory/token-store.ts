import { rejectUnknown, show } from '../../core/options.js'
import type { SessionRecord } from '../../session/store.js'
import { advance, decide, isAnswered } from '../../tokens/rotation.js'
import type { PresentedToken, RotationCase, RotationRules } from '../../tokens/rotation.js'
import type { RevocationSink } from '../../tokens/revocations.js'
import type { AccessFacts, LineageFacts, LineageRules, NewLineage, RevocationWatch, Rotation, TokenStore } from '../../tokens/store.js'
import { claimsOf, slidTo, toRecord, type SessionLineage, type SessionRow } from './session-row.js'
import type { SessionTable } from './session-table.js'
import { MemoryStore, tableOf } from './store.js'

export interface MemoryTokenStoreOptions {
  /** Holds the sessions that the tokens belong to. Its clock decides. */
  readonly store: MemoryStore
}

/** Keeps the lineages of refresh tokens beside the sessions of a MemoryStore, for tests and demonstrations. */
export class MemoryTokenStore implements TokenStore {
  readonly #table: SessionTable
  readonly #watches = new Set<() => void>()

  /** @throws TypeError for an unknown option, and for a store that is no MemoryStore */
  constructor (options: MemoryTokenStoreOptions) {
    rejectUnknown('MemoryTokenStore', options, ['store'])
    const table = options.store instanceof MemoryStore ? tableOf(options.store) : undefined
    if (table === undefined) throw new TypeError(`"store" option must be a MemoryStore; got ${show(options.store)}`)
    this.#table = table
  }

  async createRefreshToken ({ sessionId, userId, tokenHash, idleSeconds, absoluteSeconds }: NewLineage): Promise<SessionRecord | 'taken' | null> {
    const now = this.#table.now()
    const row = this.#table.live(sessionId, now)
    if (row === undefined || row.userId !== userId) return null
    if (row.lineage !== null) return 'taken'
    const absoluteExpiresAt = row.createdAt + absoluteSeconds * 1000
    const begun: SessionRow = {
      ...row,
      maxAge: Math.ceil(idleSeconds),
      absoluteExpiresAt,
      expiresAt: Math.min(now + idleSeconds * 1000, absoluteExpiresAt),
      lastSeenAt: now,
      lineage: firstLineage(userId, tokenHash, now)
    }
    this.#table.use(row, begun, now)
    return toRecord(begun, this.#issuedAt(sessionId, now))
  }

  async rotateRefreshToken (token: PresentedToken, rules: LineageRules): Promise<Rotation> {
    const now = this.#table.now()
    const row = this.#table.get(token.sessionId)
    const found = decide(row?.lineage ?? null, row ?? null, token, now, rules)
    if (row === undefined || row.lineage === null) return { found: 'REVOKED', facts: null }
    return this.#answer(found, this.#apply(found, row, { ...row.lineage, ...advance(row.lineage, found, token, now) }, rules, now), now)
  }

  async revokeRefreshToken (sessionId: string, reason: string): Promise<boolean> {
    const now = this.#table.now()
    const row = this.#table.unexpired(sessionId, now)
    if (row === undefined) return false
    const lineage = row.lineage && { ...row.lineage, revokedAt: now, revokedReason: reason }
    this.#table.amend(row, { ...row, expiresAt: now, valuesText: '{}', version: row.version + 1, lineage }, now)
    return true
  }

  async getUserFromRefreshToken (token: PresentedToken, rules: RotationRules): Promise<Rotation> {
    const now = this.#table.now()
    const row = this.#table.get(token.sessionId)
    return this.#answer(decide(row?.lineage ?? null, row ?? null, token, now, rules), row, now)
  }

  async confirmRefreshToken (sessionId: string, generation: number): Promise<number | null> {
    const now = this.#table.now()
    const row = this.#table.get(sessionId)
    if (row === undefined || row.lineage === null) return null
    const { lineage } = row
    if (lineage.generation === generation && lineage.confirmedAt === null) this.#table.amend(row, { ...row, lineage: { ...lineage, confirmedAt: now } }, now)
    return lineage.generation
  }

  async isAccessValid ({ sessionId, userId, issuedAt }: AccessFacts): Promise<boolean> {
    const row = this.#table.live(sessionId, this.#table.now())
    return row?.userId === userId && issuedAt > this.#table.revocations.lastAt(sessionId)
  }

  watchRevocations (sink: RevocationSink): RevocationWatch {
    const end = this.#table.revocations.watch(sink)
    this.#watches.add(end)
    return { close: async () => { end(); this.#watches.delete(end) } }
  }

  now (): number {
    return this.#table.now()
  }

  /** Ends its watches. The sessions stay. */
  async close (): Promise<void> {
    for (const end of this.#watches) end()
    this.#watches.clear()
  }

  /** Writes what a case changes; returns the row as it is then. */
  #apply (found: RotationCase, row: SessionRow, lineage: SessionLineage, rules: LineageRules, now: number): SessionRow {
    switch (found) {
      case 'ROTATE': {
        const used = { ...row, lineage, lastSeenAt: now, expiresAt: slidTo(now, row.maxAge ?? rules.refreshTtl, row) }
        this.#table.use(row, used, now)
        return used
      }
      case 'REUSE': {
        const blocked = { ...row, blockedAt: now, blockedReason: 'refresh_reuse' }
        this.#table.amend(row, blocked, now)
        return blocked
      }
      case 'EARLY':
      case 'REPLAY':
      case 'AHEAD': {
        const amended = { ...row, lineage }
        this.#table.amend(row, amended, now)
        return amended
      }
      default:
        return row
    }
  }

  #answer (found: RotationCase, row: SessionRow | undefined, now: number): Rotation {
    if (!isAnswered(found)) return { found, facts: null }
    if (row === undefined || row.lineage === null) return { found: 'REVOKED', facts: null }
    return { found, facts: factsOf(row, row.lineage, now, this.#issuedAt(row.id, now)) }
  }

  /** Later than all that is revoked: a token of the same millisecond would be refused with those before it. */
  #issuedAt (sessionId: string, now: number): number {
    return Math.max(now, this.#table.revocations.lastAt(sessionId) + 1)
  }
}

function firstLineage (userId: string, tokenHash: Uint8Array, now: number): SessionLineage {
  return {
    generation: 1,
    tokenHash: Uint8Array.from(tokenHash),
    previousHash: null,
    userId,
    createdAt: now,
    deliveredAt: now,
    confirmedAt: null,
    replays: 0,
    revokedAt: null,
    revokedReason: null
  }
}

function factsOf (row: SessionRow, { generation, tokenHash, deliveredAt, userId }: SessionLineage, at: number, issuedAt: number): LineageFacts {
  const { id: sessionId, authenticatedAt, expiresAt } = row
  return { sessionId, userId, claims: claimsOf(row), authenticatedAt, expiresAt, generation, tokenHash: Uint8Array.from(tokenHash), deliveredAt, at, issuedAt }
}
