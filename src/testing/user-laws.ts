/** listByUser, deleteByUser, setClaims. */

import assert from 'node:assert/strict'
import { begin, facts, HOUR, load, MINUTE, other, put, slide, upTo } from './fixtures.js'
import type { Laws } from './harness.js'

export const userLaws: Laws = {
  async 'listByUser shows the user\'s sessions, the most recently seen first' (harness) {
    const { store, advance } = harness
    const ids: string[] = []
    for (let n = 0; n < 4; n++) {
      ids.push((await begin(store, { userId: 'ada', idleSeconds: 3 * HOUR, set: { n } })).id)
      await advance(MINUTE)
    }
    const [a = '', b = '', c = '', d = ''] = ids
    assert.deepEqual((await other(harness).listByUser('ada')).map(({ id }) => id), [d, c, b, a])
    await store.save(a, (await load(store, a)).secretHash, slide(3 * HOUR))
    await advance(MINUTE)
    await store.save(c, (await load(store, c)).secretHash, put({ used: true }, { idleSeconds: 3 * HOUR }))
    await advance(MINUTE)
    await load(store, b)
    await store.setClaims('ada', { isAdmin: true })
    assert.deepEqual((await other(harness).listByUser('ada')).map(({ id }) => id), [c, a, d, b], 'reads and claims are no use')
    for (const record of await store.listByUser('ada')) assert.deepEqual(facts(record), facts(await load(store, record.id)))
  },

  async 'listByUser shows blocked sessions, and no expired, ended or foreign ones' ({ store, advance }) {
    await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    const ended = await begin(store, { userId: 'ada' })
    const blocked = await begin(store, { userId: 'ada' })
    await begin(store, { userId: 'Ada' })
    await begin(store)
    await store.delete(ended.id)
    await store.block(blocked.id, 'test')
    await advance(2 * MINUTE)
    assert.deepEqual((await store.listByUser('ada')).map(({ id, blockedReason }) => ({ id, blockedReason })), [{ id: blocked.id, blockedReason: 'test' }])
    assert.deepEqual(await store.listByUser('nobody'), [])
  },

  async 'users may be named anything' ({ store }) {
    const names = ['__proto__', 'constructor', '', '*', '%', "o'neill", 'a:b', 'ünï', '👩‍🚀', 'null', 'x'.repeat(300)]
    const sessions = await Promise.all(names.map((userId) => begin(store, { userId })))
    for (const [n, userId] of names.entries()) {
      assert.deepEqual((await store.listByUser(userId)).map(({ id }) => id), [sessions[n]?.id], JSON.stringify(userId))
    }
    for (const [n, userId] of names.entries()) assert.deepEqual(await store.deleteByUser(userId), [sessions[n]?.id], JSON.stringify(userId))
  },

  async 'deleteByUser ends all sessions of the user, blocked ones too, and answers their ids' (harness) {
    const mine = await Promise.all(upTo(5).map(() => begin(harness.store, { userId: 'ada' })))
    const [first = ''] = mine.map(({ id }) => id)
    await harness.store.block(first, 'test')
    const strangers = [await begin(harness.store, { userId: 'bob' }), await begin(harness.store)]
    assert.deepEqual((await harness.store.deleteByUser('ada')).toSorted(), mine.map(({ id }) => id).toSorted())
    for (const { id } of mine) assert.equal(await other(harness).get(id), null)
    assert.equal(await harness.store.unblock(first), false, 'the blocked one is gone')
    assert.deepEqual(await harness.store.listByUser('ada'), [])
    for (const stranger of strangers) assert.deepEqual(facts(await load(other(harness), stranger.id)), facts(stranger))
    assert.deepEqual(await harness.store.deleteByUser('ada'), [], 'a second time there is nothing to end')
  },

  async 'deleteByUser spares the session in except' ({ store }) {
    const [one, two, three] = await Promise.all([begin(store, { userId: 'ada' }), begin(store, { userId: 'ada' }), begin(store, { userId: 'ada' })])
    assert.deepEqual((await store.deleteByUser('ada', { except: two.id })).toSorted(), [one.id, three.id].toSorted())
    assert.deepEqual(facts(await load(store, two.id)), facts(two))
    const bob = await begin(store, { userId: 'bob' })
    assert.deepEqual(await store.deleteByUser('ada', { except: bob.id }), [two.id], 'a foreign session spares none of the user\'s')
    await load(store, bob.id)
  },

  async 'setClaims replaces the claims on all sessions of the user and changes nothing else' (harness) {
    const { store, advance } = harness
    await begin(store, { userId: 'ada', idleSeconds: MINUTE })
    await advance(2 * MINUTE)
    const mine = await begin(store, { userId: 'ada', claims: { isAdmin: true, team: 'x' }, set: { a: 1 } })
    const blocked = await begin(store, { userId: 'ada' })
    await store.block(blocked.id, 'test')
    const bob = await begin(store, { userId: 'bob', claims: { isAdmin: true } })
    await advance(MINUTE)
    const before = await load(store, mine.id)
    assert.equal(await store.setClaims('ada', { roles: ['user'] }), 2, 'the expired one does not count')
    assert.deepEqual(facts(await load(other(harness), mine.id)), facts({ ...before, claims: { roles: ['user'] } }))
    await store.unblock(blocked.id)
    assert.deepEqual((await load(store, blocked.id)).claims, { roles: ['user'] })
    assert.deepEqual((await load(store, bob.id)).claims, { isAdmin: true })
    assert.equal(await store.setClaims('nobody', {}), 0)
  }
}
