import { setImmediate as nextTurn } from 'node:timers/promises'
import { equalHashes } from '../../core/credential.js'
import { isProduction } from '../../core/environment.js'
import { StoreError } from '../../core/errors.js'
import { rejectUnknown, show, wholeNumber } from '../../core/options.js'
import type { Claims, CleanupOptions, NewSession, SessionChange, SessionRecord, Store } from '../../session/store.js'
import { changedRow, firstRow, toRecord, valuesOf, type SessionRow } from './session-row.js'

export interface MemoryStoreOptions {
  /** The clock that decides expiry. Default: the machine's. */
  readonly clock?: () => Date
  /** Most sessions held. A whole number, 1 or more. Default 10,000. */
  readonly maxSessions?: number
}

const OPTIONS = ['clock', 'maxSessions'] as const

/**
 * Keeps sessions in the memory of this process, for tests and demonstrations.
 *
 * Bounded: where a new session would be one too many, the expired ones go, and if there are none, the one least
 * recently seen. What it holds dies with the process and is not seen by another.
 */
export class MemoryStore implements Store {
  /** The least recently seen first. */
  readonly #rows = new Map<string, SessionRow>()
  readonly #clock: () => Date
  readonly #maxSessions: number

  /** @throws TypeError with `NODE_ENV=production`, and for an option that is unknown or out of range */
  constructor (options: MemoryStoreOptions = {}) {
    if (isProduction()) throw new TypeError('MemoryStore refuses to run with NODE_ENV=production: its sessions die with the process')
    rejectUnknown('MemoryStore', options, OPTIONS)
    const { clock = () => new Date(), maxSessions = 10_000 } = options
    if (typeof clock !== 'function') throw new TypeError(`"clock" option must be a function that returns a Date; got ${show(clock)}`)
    this.#clock = clock
    this.#maxSessions = wholeNumber('maxSessions', maxSessions, { min: 1, max: Number.MAX_SAFE_INTEGER })
  }

  async create (session: NewSession): Promise<SessionRecord> {
    const now = this.#now()
    const { id, replaces } = session
    const replaced = replaces && this.#live(replaces.id, now, replaces.secretHash)
    const carried = replaces?.carry && (replaced === undefined ? replaces.carry : valuesOf(replaced))
    const row = firstRow(session, carried ?? null, now)
    this.#refuseTaken('create', id)
    if (replaced !== undefined) this.#rows.delete(replaced.id)
    this.#makeRoom(now)
    this.#rows.set(id, row)
    return toRecord(row, now)
  }

  async get (id: string): Promise<SessionRecord | null> {
    const now = this.#now()
    const row = this.#live(id, now)
    return row === undefined ? null : toRecord(row, now)
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    const now = this.#now()
    const row = this.#live(id, now, secretHash)
    return row === undefined ? null : this.#change(row, change, now)
  }

  async delete (id: string): Promise<boolean> {
    const existed = this.#unexpired(id, this.#now()) !== undefined
    this.#rows.delete(id)
    return existed
  }

  async cleanup ({ batchSize = 1000, budgetMs = 30_000, signal, onBatch }: CleanupOptions = {}): Promise<number> {
    wholeNumber('batchSize', batchSize, { min: 1, max: Number.MAX_SAFE_INTEGER })
    const startedAt = performance.now()
    let removed = 0
    while (signal?.aborted !== true) {
      const batch = this.#removeExpired(this.#now(), batchSize)
      removed += batch
      onBatch?.(removed)
      if (batch < batchSize || performance.now() - startedAt >= budgetMs) break
      await nextTurn()
    }
    return removed
  }

  // – for `update`, user management and shutdown –

  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    const now = this.#now()
    const row = this.#live(id, now, secretHash)
    if (row === undefined) return null
    return row.version === version ? this.#change(row, change, now) : 'conflict'
  }

  async listByUser (userId: string): Promise<SessionRecord[]> {
    const now = this.#now()
    return this.#ofUser(userId, now).toReversed()
      .toSorted((a, b) => b.lastSeenAt - a.lastSeenAt)
      .map((row) => toRecord(row, now))
  }

  async deleteByUser (userId: string, { except }: { readonly except?: string } = {}): Promise<string[]> {
    const ids = this.#ofUser(userId, this.#now()).map(({ id }) => id).filter((id) => id !== except)
    for (const id of ids) this.#rows.delete(id)
    return ids
  }

  /** Of several blocks the first and its reason stand. */
  async block (id: string, reason: string): Promise<boolean> {
    const now = this.#now()
    return this.#amend(this.#unexpired(id, now), (row) => row.blockedAt === null ? { ...row, blockedAt: now, blockedReason: reason } : row)
  }

  async unblock (id: string): Promise<boolean> {
    return this.#amend(this.#unexpired(id, this.#now()), (row) => ({ ...row, blockedAt: null, blockedReason: null }))
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    const claimsText = JSON.stringify(claims)
    const rows = this.#ofUser(userId, this.#now())
    for (const row of rows) this.#amend(row, (row) => ({ ...row, claimsText }))
    return rows.length
  }

  /** Does nothing: the store has opened nothing. */
  async close (): Promise<void> {}

  #now (): number {
    return this.#clock().getTime()
  }

  #unexpired (id: string, now: number): SessionRow | undefined {
    const row = this.#rows.get(id)
    return row === undefined || row.expiresAt <= now ? undefined : row
  }

  #live (id: string, now: number, secretHash?: Uint8Array): SessionRow | undefined {
    const row = this.#unexpired(id, now)
    if (row === undefined || row.blockedAt !== null) return undefined
    return secretHash === undefined || equalHashes(row.secretHash, secretHash) ? row : undefined
  }

  #ofUser (userId: string, now: number): SessionRow[] {
    return [...this.#rows.values()].filter((row) => row.userId === userId && row.expiresAt > now)
  }

  /** Writes a change that the caller has found allowed. The row becomes the most recently seen. */
  #change (row: SessionRow, change: SessionChange, now: number): SessionRecord {
    const changed = changedRow(row, change, now)
    if (changed.id !== row.id) this.#refuseTaken('save', changed.id)
    this.#rows.delete(row.id)
    this.#rows.set(changed.id, changed)
    return toRecord(changed, now)
  }

  /** Writes what is no use of the session: its place in the order stays. */
  #amend (row: SessionRow | undefined, amend: (row: SessionRow) => SessionRow): boolean {
    if (row === undefined) return false
    this.#rows.set(row.id, amend(row))
    return true
  }

  #refuseTaken (operation: string, id: string): void {
    if (this.#rows.has(id)) throw new StoreError(operation, new Error('the new id is taken'))
  }

  #makeRoom (now: number): void {
    if (this.#rows.size < this.#maxSessions) return
    if (this.#removeExpired(now, Infinity) > 0) return
    const leastRecentlySeen = this.#rows.keys().next()
    if (leastRecentlySeen.done !== true) this.#rows.delete(leastRecentlySeen.value)
  }

  #removeExpired (now: number, atMost: number): number {
    let removed = 0
    for (const row of this.#rows.values()) {
      if (removed >= atMost) break
      if (row.expiresAt > now) continue
      this.#rows.delete(row.id)
      removed++
    }
    return removed
  }
}
