/** A bulk store over the memory store that writes down its calls and waits where it is told to. */

import { StoreError } from '../../src/core/errors.js'
import type { SessionChange, SessionRecord, Store } from '../../src/session/store.js'
import type { BulkStore, Reader, SaveEntry } from '../../src/stores/bulk-store.js'

export interface RecordingStore extends BulkStore {
  /** The round trips so far, `get 1`, `getMany 3` and the like. */
  readonly calls: string[]
  /** Round trips wait from now on … */
  hold (): void
  /** … until they are let go. */
  letGo (): void
  /** Ids that a batch leaves out. */
  readonly locked: Set<string>
  /** What the next batch fails with, and whether one of its entries is to blame. */
  failNext (error: Error, faultOfOne: boolean): void
  /** The changes that went out in batches. */
  readonly entries: SaveEntry[]
  readonly budgets: Array<number | undefined>
}

export function recordingStore (inner: Store): RecordingStore {
  const calls: string[] = []
  const entries: SaveEntry[] = []
  const budgets: Array<number | undefined> = []
  const locked = new Set<string>()
  let held: Promise<void> = Promise.resolve()
  let letGo = (): void => {}
  let failure: { readonly error: StoreError, readonly faultOfOne: boolean } | undefined
  let guilty: unknown

  async function trip<T> (call: string, budgetMs: number | undefined, work: () => Promise<T>): Promise<T> {
    calls.push(call)
    budgets.push(budgetMs)
    await held
    return await work()
  }
  function mayFail (): void {
    const now = failure
    failure = undefined
    if (now === undefined) return
    guilty = now.faultOfOne ? now.error : undefined
    throw now.error
  }
  async function all<T> (ids: readonly string[], read: (id: string) => Promise<SessionRecord | null>, give: (record: SessionRecord) => T): Promise<Map<string, T>> {
    const found = new Map<string, T>()
    for (const id of ids) {
      const record = await read(id)
      if (record !== null) found.set(id, give(record))
    }
    return found
  }

  return {
    calls,
    entries,
    budgets,
    locked,
    hold () { held = new Promise((resolve) => { letGo = resolve }) },
    letGo () { letGo() },
    failNext (error, faultOfOne) { failure = { error: new StoreError('test', error), faultOfOne } },
    create: (session) => inner.create(session),
    get: (id, budgetMs) => trip('get 1', budgetMs, async () => {
      mayFail()
      return await inner.get(id)
    }),
    view: (id, budgetMs) => trip('view 1', budgetMs, async () => {
      mayFail()
      return await inner.get(id)
    }),
    save: (id: string, secretHash: Uint8Array, change: SessionChange, budgetMs?: number) => trip('save 1', budgetMs, () => inner.save(id, secretHash, change)),
    delete: (id, secretHash) => inner.delete(id, secretHash),
    cleanup: (options) => inner.cleanup(options),
    compareAndSave: (id, secretHash, version, change) => inner.compareAndSave(id, secretHash, version, change),
    listByUser: (userId) => inner.listByUser(userId),
    deleteByUser: (userId, options) => inner.deleteByUser(userId, options),
    block: (id, reason) => inner.block(id, reason),
    unblock: (id) => inner.unblock(id),
    setClaims: (userId, claims) => inner.setClaims(userId, claims),
    close: () => inner.close(),
    getMany: (ids, budgetMs) => trip(`getMany ${ids.length}`, budgetMs, async () => {
      mayFail()
      return await all(ids, (id) => inner.get(id), (record): Reader => ({ copy: () => structuredClone(record), view: () => record }))
    }),
    saveMany: (given, budgetMs) => trip(`saveMany ${given.length}`, budgetMs, async () => {
      entries.push(...given)
      mayFail()
      const byId = new Map(given.map((entry) => [entry.id, entry]))
      return await all(given.map(({ id }) => id).filter((id) => !locked.has(id)), async (id) => {
        const entry = byId.get(id)
        return entry === undefined ? null : await inner.save(id, entry.secretHash, entry.change).catch(() => null)
      }, (record) => () => structuredClone(record))
    }),
    isFaultOfOne: (error) => error === guilty
  }
}
