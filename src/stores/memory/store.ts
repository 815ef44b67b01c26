import { setImmediate as nextTurn } from 'node:timers/promises'
import { equalHashes } from '../../core/credential.js'
import { isProduction } from '../../core/environment.js'
import { rejectUnknown, show, wholeNumber } from '../../core/options.js'
import type { Claims, CleanupOptions, CreatedRecord, NewSession, SessionChange, SessionRecord, Store } from '../../session/store.js'
import { changedRow, firstRow, toRecord, valuesOf, type SessionRow } from './session-row.js'
import { SessionTable } from './session-table.js'

export interface MemoryStoreOptions {
  /** The clock that decides expiry. Default: the machine's. */
  readonly clock?: () => Date
  /** Most sessions held. A whole number, 1 or more. Default 10,000. */
  readonly maxSessions?: number
}

const OPTIONS = ['clock', 'maxSessions'] as const

const tables = new WeakMap<MemoryStore, SessionTable>()

/** The table of a store, for the tokens of its sessions. */
export function tableOf (store: MemoryStore): SessionTable | undefined {
  return tables.get(store)
}

/**
 * Keeps sessions in the memory of this process, for tests and demonstrations.
 *
 * Bounded: where a new session would be one too many, the expired ones go, and if there are none, the one least
 * recently seen. What it holds dies with the process and is not seen by another.
 */
export class MemoryStore implements Store {
  readonly #table: SessionTable

  /** @throws TypeError with `NODE_ENV=production`, and for an option that is unknown or out of range */
  constructor (options: MemoryStoreOptions = {}) {
    if (isProduction()) throw new TypeError('MemoryStore refuses to run with NODE_ENV=production: its sessions die with the process')
    rejectUnknown('MemoryStore', options, OPTIONS)
    const { clock = () => new Date(), maxSessions = 10_000 } = options
    if (typeof clock !== 'function') throw new TypeError(`"clock" option must be a function that returns a Date; got ${show(clock)}`)
    this.#table = new SessionTable(clock, wholeNumber('maxSessions', maxSessions, { min: 1, max: Number.MAX_SAFE_INTEGER }))
    tables.set(this, this.#table)
  }

  async create (session: NewSession): Promise<CreatedRecord> {
    const table = this.#table
    const now = table.now()
    const { id, userId, replaces, atMost } = session
    const replaced = replaces && table.live(replaces.id, now, replaces.secretHash)
    const carried = replaces?.carry && (replaced === undefined ? replaces.carry : valuesOf(replaced))
    const row = firstRow(session, carried ?? null, now)
    table.refuseTaken('create', id)
    if (replaced !== undefined) table.remove(replaced, now)
    const evicted = userId === null || atMost === undefined ? [] : this.#evict(userId, atMost - 1, now)
    table.insert(row, now)
    return { ...toRecord(row, now), ...(evicted.length > 0 && { evicted }), ...(replaced !== undefined && { replaced: true }) }
  }

  async get (id: string): Promise<SessionRecord | null> {
    const now = this.#table.now()
    const row = this.#table.live(id, now)
    return row === undefined ? null : toRecord(row, now)
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    const now = this.#table.now()
    const row = this.#table.live(id, now, secretHash)
    return row === undefined ? null : this.#change(row, change, now)
  }

  async delete (id: string, secretHash?: Uint8Array): Promise<boolean> {
    const now = this.#table.now()
    const row = this.#table.get(id)
    if (row === undefined || (secretHash !== undefined && !equalHashes(row.secretHash, secretHash))) return false
    this.#table.remove(row, now)
    return row.expiresAt > now
  }

  async cleanup ({ batchSize = 1000, budgetMs = 30_000, signal, onBatch }: CleanupOptions = {}): Promise<number> {
    wholeNumber('batchSize', batchSize, { min: 1, max: Number.MAX_SAFE_INTEGER })
    const startedAt = performance.now()
    let removed = 0
    while (signal?.aborted !== true) {
      const batch = this.#table.removeExpired(this.#table.now(), batchSize)
      removed += batch
      onBatch?.(removed)
      if (batch < batchSize || performance.now() - startedAt >= budgetMs) break
      await nextTurn()
    }
    return removed
  }

  // – for `update`, user management and shutdown –

  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    const now = this.#table.now()
    const row = this.#table.live(id, now, secretHash)
    if (row === undefined) return null
    return row.version === version ? this.#change(row, change, now) : 'conflict'
  }

  async listByUser (userId: string): Promise<SessionRecord[]> {
    const now = this.#table.now()
    return this.#table.ofUser(userId, now).toReversed()
      .toSorted((a, b) => b.lastSeenAt - a.lastSeenAt)
      .map((row) => toRecord(row, now))
  }

  async deleteByUser (userId: string, { except }: { readonly except?: string } = {}): Promise<string[]> {
    const now = this.#table.now()
    const rows = this.#table.ofUser(userId, now).filter(({ id }) => id !== except)
    for (const row of rows) this.#table.remove(row, now)
    return rows.map(({ id }) => id)
  }

  /** Of several blocks the first and its reason stand. */
  async block (id: string, reason: string): Promise<boolean> {
    return this.#amend(id, (row, now) => row.blockedAt === null ? { ...row, blockedAt: now, blockedReason: reason } : row)
  }

  async unblock (id: string): Promise<boolean> {
    return this.#amend(id, (row) => ({ ...row, blockedAt: null, blockedReason: null }))
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    const now = this.#table.now()
    const claimsText = JSON.stringify(claims)
    const rows = this.#table.ofUser(userId, now)
    for (const row of rows) this.#table.amend(row, { ...row, claimsText }, now)
    return rows.length
  }

  /** Does nothing: the store has opened nothing. */
  async close (): Promise<void> {}

  /** Writes a change that the caller has found allowed. */
  #change (row: SessionRow, change: SessionChange, now: number): SessionRecord {
    const changed = changedRow(row, change, now)
    this.#table.use(row, changed, now)
    return toRecord(changed, now)
  }

  #amend (id: string, amend: (row: SessionRow, now: number) => SessionRow): boolean {
    const now = this.#table.now()
    const row = this.#table.unexpired(id, now)
    if (row === undefined) return false
    this.#table.amend(row, amend(row, now), now)
    return true
  }

  /** Ends what a user has beyond `atMost` sessions, the least recently seen first. */
  #evict (userId: string, atMost: number, now: number): string[] {
    const rows = this.#table.ofUser(userId, now)
    const beyond = rows.slice(0, Math.max(0, rows.length - atMost))
    for (const row of beyond) this.#table.remove(row, now)
    return beyond.map(({ id }) => id)
  }
}
