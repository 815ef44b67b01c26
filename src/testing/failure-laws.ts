/** A broken storage, and the end. */

import assert from 'node:assert/strict'
import type { SessionRecord, Store } from '../session/store.js'
import { begin, load, newSession, put, renewal, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

const CALLS: Readonly<Record<string, (store: Store, session: SessionRecord) => Promise<unknown>>> = {
  create: (store) => store.create(newSession({ userId: 'ada' })),
  'create that replaces': (store, { id, secretHash }) => store.create(newSession({ replaces: { id, secretHash, carry: {} } })),
  get: (store, { id }) => store.get(id),
  save: (store, { id, secretHash }) => store.save(id, secretHash, put({ a: 1 })),
  slide: (store, { id, secretHash }) => store.save(id, secretHash, slide()),
  renew: (store, { id, secretHash }) => store.save(id, secretHash, put({}, { renew: renewal() })),
  delete: (store, { id }) => store.delete(id),
  cleanup: (store) => store.cleanup(),
  compareAndSave: (store, { id, secretHash, version }) => store.compareAndSave(id, secretHash, version, put({ a: 1 })),
  listByUser: (store) => store.listByUser('ada'),
  deleteByUser: (store) => store.deleteByUser('ada'),
  block: (store, { id }) => store.block(id, 'test'),
  unblock: (store, { id }) => store.unblock(id),
  setClaims: (store) => store.setClaims('ada', {})
}

export const failureLaws: Laws = {
  async 'when the storage fails, every method rejects with ERR_STORE and its cause' (harness) {
    if (harness.breakStorage === undefined) return
    const session = await begin(harness.store, { userId: 'ada' })
    await harness.breakStorage()
    for (const [name, call] of Object.entries(CALLS)) await rejects(name, call(harness.store, session))
    await Promise.all(Object.entries(CALLS).map(([name, call]) => rejects(`${name}, all at once`, call(harness.store, session))))
  },

  async 'close is idempotent, also at once' ({ store }) {
    await begin(store)
    await Promise.all(upTo(3).map(() => store.close()))
    await store.close()
  },

  async 'closing one handle leaves the other working' ({ store, second }) {
    if (second === undefined) return
    const { id } = await begin(second)
    await second.close()
    await load(store, id)
    await begin(store)
  }
}

async function rejects (name: string, answer: Promise<unknown>): Promise<void> {
  await assert.rejects(answer, (error: unknown) => {
    assert.ok(error instanceof Error, name)
    assert.equal(Reflect.get(error, 'code'), 'ERR_STORE', name)
    assert.notEqual(error.cause, undefined, `${name} tells the cause`)
    return true
  })
}
