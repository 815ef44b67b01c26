import t from 'tap'
import type { Store } from '../../../src/session/store.js'
import { CachedStore } from '../../../src/stores/cached.js'
import type { ChangeSink, ChangeWatch } from '../../../src/stores/change-watch.js'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { storeContract } from '../../../src/testing/index.js'
import { heard, isWhole } from '../../helpers/pg-cached.js'
import { postgresHarnesses } from '../../helpers/postgres-harness.js'

/** One whose feed shows more often that it lives, so that tests need not wait for it. */
class QuickStore extends PostgresStore {
  override watchChanges (sink: ChangeSink): ChangeWatch {
    return super.watchChanges(sink, { everyMs: 5 })
  }
}

/** Answers when the cache has heard of what was done: what the contract says of a store, a cache says of its bound. */
function inStep (store: Store, cache: CachedStore): Store {
  const after = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => async (...args: A): Promise<R> => {
    try {
      return await call(...args)
    } finally {
      if (cache.wholeAt > -Infinity) await heard(cache)
    }
  }
  return {
    get: (id) => store.get(id),
    listByUser: (userId) => store.listByUser(userId),
    cleanup: (options) => store.cleanup(options),
    close: () => store.close(),
    create: after((session) => store.create(session)),
    save: after((id, secretHash, change) => store.save(id, secretHash, change)),
    compareAndSave: after((id, secretHash, version, change) => store.compareAndSave(id, secretHash, version, change)),
    delete: after((id, secretHash) => store.delete(id, secretHash)),
    deleteByUser: after((userId, options) => store.deleteByUser(userId, options)),
    block: after((id, reason) => store.block(id, reason)),
    unblock: after((id) => store.unblock(id)),
    setClaims: after((userId, claims) => store.setClaims(userId, claims))
  }
}

await t.test('a cache keeps the contract of a store, at once for what is done through it, and once it has heard for what is done elsewhere', async (t) => {
  let opened: CachedStore | undefined
  const open = await postgresHarnesses(t, (connectionString) => {
    const store = new QuickStore({ connectionString, max: 4 })
    if (opened !== undefined) return store
    opened = new CachedStore(store, { maxStalenessMs: 1_000, maxEntries: 100, clock: () => performance.now() })
    return opened
  })
  storeContract({
    test: (title, law) => t.test(title, law),
    open: async () => {
      opened = undefined
      const harness = await open()
      const cache = opened
      if (cache === undefined || harness.second === undefined) throw new Error('two stores should have been opened')
      await isWhole(cache)
      return {
        ...harness,
        second: inStep(harness.second, cache),
        advance: async (seconds) => {
          await harness.advance(seconds)
          await heard(cache)
        }
      }
    }
  })
})
