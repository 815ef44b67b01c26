/** create with `atMost`: how many sessions a user may have. */

import assert from 'node:assert/strict'
import type { SessionRecord } from '../session/store.js'
import { begin, facts, HOUR, isGone, load, MINUTE, other, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

export const limitLaws: Laws = {
  async 'create with atMost ends the user\'s sessions beyond it, the least recently seen first' (harness) {
    const { store, advance } = harness
    const oneMore = async (): Promise<SessionRecord> => {
      await advance(MINUTE)
      return await begin(store, { userId: 'ada', idleSeconds: 3 * HOUR })
    }
    const [a, b, c, d] = [await oneMore(), await oneMore(), await oneMore(), await oneMore()]
    await advance(MINUTE)
    await store.save(a.id, a.secretHash, slide(3 * HOUR))
    await advance(MINUTE)
    const next = await begin(store, { userId: 'ada', atMost: 3 })
    assert.deepEqual((await other(harness).listByUser('ada')).map(({ id }) => id), [next.id, a.id, d.id])
    for (const session of [b, c]) await isGone(other(harness), session)
    const only = await begin(store, { userId: 'ada', atMost: 1 })
    assert.deepEqual((await store.listByUser('ada')).map(({ id }) => id), [only.id])
  },

  async 'create tells which sessions of the user have ended for atMost, and no others' ({ store, advance }) {
    await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    await advance(2 * MINUTE)
    const oneMore = async (): Promise<SessionRecord> => {
      await advance(MINUTE)
      return await begin(store, { userId: 'ada' })
    }
    const [a, b, c] = [await oneMore(), await oneMore(), await oneMore()]
    await begin(store, { userId: 'bob' })
    await advance(MINUTE)
    const { evicted: ended, ...next } = await begin(store, { userId: 'ada', atMost: 2, replaces: { id: c.id, secretHash: c.secretHash, carry: null } })
    assert.deepEqual(ended, [a.id], 'neither the one that is replaced, nor one that had expired')
    const last = await begin(store, { userId: 'ada', atMost: 1 })
    assert.deepEqual([...last.evicted ?? []].sort(), [b.id, next.id].sort())
    for (const given of [{ atMost: 1 }, { userId: 'bob' }, { userId: 'eve', atMost: 1 }]) assert.deepEqual((await begin(store, given)).evicted ?? [], [], 'none has ended')
  },

  async 'for atMost the blocked sessions of the user count, and no expired, foreign or visitors\' ones' ({ store, advance }) {
    await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    await advance(2 * MINUTE)
    const blocked = await begin(store, { userId: 'ada' })
    await store.block(blocked.id, 'test')
    await advance(MINUTE)
    const mine = await begin(store, { userId: 'ada' })
    await advance(MINUTE)
    const strangers = [await begin(store, { userId: 'bob' }), await begin(store)]
    await begin(store, { userId: 'ada', atMost: 3 })
    assert.equal((await store.listByUser('ada')).length, 3)
    await begin(store, { userId: 'ada', atMost: 3 })
    assert.equal(await store.unblock(blocked.id), false, 'the blocked one was seen before the others')
    await load(store, mine.id)
    for (const stranger of strangers) assert.deepEqual(facts(await load(store, stranger.id)), facts(stranger))
  },

  async 'for atMost the session that is replaced does not count, and a visitor has no limit' ({ store, advance }) {
    const mine = await begin(store, { userId: 'ada' })
    await advance(MINUTE)
    const replaced = await begin(store, { userId: 'ada' })
    const next = await begin(store, { userId: 'ada', atMost: 2, replaces: { id: replaced.id, secretHash: replaced.secretHash, carry: null } })
    assert.deepEqual((await store.listByUser('ada')).map(({ id }) => id), [next.id, mine.id])
    const visitors = await Promise.all(upTo(3).map(() => begin(store, { atMost: 1 })))
    for (const { id } of visitors) await load(store, id)
  },

  async 'a create that is refused for its size ends nothing, whatever atMost says' ({ store }) {
    const mine = await begin(store, { userId: 'ada' })
    await assert.rejects(begin(store, { userId: 'ada', atMost: 1, set: { big: 'x'.repeat(300_000) } }), { code: 'ERR_SESSION_TOO_LARGE' })
    assert.deepEqual((await store.listByUser('ada')).map(({ id }) => id), [mine.id])
  },

  async 'of many sign-ins at once with atMost no more than so many are ever stored' (harness) {
    const counts = await Promise.all(upTo(20).map(async (n) => {
      const store = n % 2 === 0 ? harness.store : other(harness)
      await begin(store, { userId: 'ada', atMost: 3 })
      return (await store.listByUser('ada')).length
    }))
    assert.ok(Math.max(...counts) <= 3, `so many were stored: ${counts.join(', ')}`)
    assert.equal((await harness.store.listByUser('ada')).length, 3)
  }
}
