import { equalHashes } from '../../core/credential.js'
import { StoreError } from '../../core/errors.js'
import { RevocationLog } from './revocation-log.js'
import type { SessionRow } from './session-row.js'

/**
 * The rows of the memory stores, in the order in which they were last seen, with the clock that judges them. Every change
 * goes through here, so that the log of revocations misses none.
 */
export class SessionTable {
  /** The least recently seen first. */
  readonly #rows = new Map<string, SessionRow>()
  readonly #clock: () => Date
  readonly #maxRows: number
  readonly revocations: RevocationLog

  constructor (clock: () => Date, maxRows: number) {
    this.#clock = clock
    this.#maxRows = maxRows
    this.revocations = new RevocationLog(() => this.now())
  }

  /** Milliseconds since 1970. */
  now (): number {
    return this.#clock().getTime()
  }

  get (id: string): SessionRow | undefined {
    return this.#rows.get(id)
  }

  unexpired (id: string, now: number): SessionRow | undefined {
    const row = this.#rows.get(id)
    return row === undefined || row.expiresAt <= now ? undefined : row
  }

  /** Neither expired nor blocked and, where a hash is given, of that secret. */
  live (id: string, now: number, secretHash?: Uint8Array): SessionRow | undefined {
    const row = this.unexpired(id, now)
    if (row === undefined || row.blockedAt !== null) return undefined
    return secretHash === undefined || equalHashes(row.secretHash, secretHash) ? row : undefined
  }

  /** What has not expired of a user, the least recently seen first. */
  ofUser (userId: string, now: number): SessionRow[] {
    return [...this.#rows.values()].filter((row) => row.userId === userId && row.expiresAt > now)
  }

  /** @throws StoreError when the id is taken */
  refuseTaken (operation: string, id: string): void {
    if (this.#rows.has(id)) throw new StoreError(operation, new Error('the new id is taken'))
  }

  /**
   * Adds a row. Where it would be one too many the expired ones go, and if there are none, the one least recently seen.
   */
  insert (row: SessionRow, now: number): void {
    if (this.#rows.size >= this.#maxRows && this.removeExpired(now, Infinity) === 0) {
      const [leastRecentlySeen] = this.#rows.values()
      if (leastRecentlySeen !== undefined) this.remove(leastRecentlySeen, now)
    }
    this.#rows.set(row.id, row)
  }

  /** Writes a use of the session, which becomes the most recently seen. @throws StoreError when it takes an id that is taken */
  use (row: SessionRow, used: SessionRow, now: number): void {
    if (used.id !== row.id) this.refuseTaken('save', used.id)
    this.#rows.delete(row.id)
    this.#rows.set(used.id, used)
    this.revocations.note(row, used, now)
  }

  /** Writes what is no use of the session: its place in the order stays. */
  amend (row: SessionRow, amended: SessionRow, now: number): void {
    this.#rows.set(row.id, amended)
    this.revocations.note(row, amended, now)
  }

  remove (row: SessionRow, now: number): void {
    this.#rows.delete(row.id)
    this.revocations.note(row, null, now)
  }

  removeExpired (now: number, atMost: number): number {
    let removed = 0
    for (const row of this.#rows.values()) {
      if (removed >= atMost) break
      if (row.expiresAt > now) continue
      this.remove(row, now)
      removed++
    }
    return removed
  }
}
