import type { PlainChange, SessionChange, Store } from '../session/store.js'
import { QUEUE_TIMES, type QueueTimes } from './batch-sender.js'
import type { BulkStore } from './bulk-store.js'
import { LoadQueue } from './load-queue.js'
import { SaveQueue } from './save-queue.js'

/** What `batched` makes. */
export type BatchedStore = Store & Required<Pick<Store, 'view' | 'saveSeen'>>

/**
 * A store that sends what is asked for at the same time in one round trip.
 *
 * Loads of one tick go out together, up to 16 or half of all that is outstanding, and so do plain saves and slides. Two
 * batches of loads and one of saves are under way at once, for 10 ms at most: then the next goes out all the same. A lone
 * call is no batch, and goes by itself. A read never joins a batch that was already sent. All other methods pass straight
 * through.
 */
export function batched (store: BulkStore, given: Partial<QueueTimes> = {}): BatchedStore {
  const times = { ...QUEUE_TIMES, ...given }
  const loads = new LoadQueue(store, times)
  const saves = new SaveQueue(store, times)
  return {
    create: (session) => store.create(session),
    get: (id) => loads.get(id, 'copy'),
    view: (id) => loads.get(id, 'view'),
    save: (id, secretHash, change) => isPlain(change) ? saves.save(id, secretHash, change) : store.save(id, secretHash, change),
    saveSeen: (seen, change) => isPlain(change) ? saves.save(seen.id, seen.secretHash, change, seen) : store.save(seen.id, seen.secretHash, change),
    delete: (id, secretHash) => store.delete(id, secretHash),
    cleanup: (options) => store.cleanup(options),
    compareAndSave: (id, secretHash, version, change) => store.compareAndSave(id, secretHash, version, change),
    listByUser: (userId) => store.listByUser(userId),
    deleteByUser: (userId, options) => store.deleteByUser(userId, options),
    block: (id, reason) => store.block(id, reason),
    unblock: (id) => store.unblock(id),
    setClaims: (userId, claims) => store.setClaims(userId, claims),
    async close () {
      await Promise.all([loads.settled(), saves.settled()])
      await store.close()
    }
  }
}

function isPlain (change: SessionChange): change is PlainChange {
  return change.maxAge === undefined && change.renew === undefined
}
