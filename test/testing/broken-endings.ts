/** More stores with one bug each: what begins, ends, blocks, lists and cleans. */

import { StoreError } from '../../src/core/errors.js'
import type { SessionRecord } from '../../src/session/store.js'
import { newSession } from '../../src/testing/fixtures.js'
import { altered, type Break } from './broken-stores.js'

export const BEGINNING: Readonly<Record<string, Break>> = {
  'create overwrites a session that has the id': (store) => altered(store, {
    async create (session) {
      await store.delete(session.id)
      return await store.create(session)
    }
  }),
  'create forgets the device': (store) => altered(store, { create: (session) => store.create({ ...session, userAgent: null, clientIp: null }) }),
  'a sign-in leaves the old session alive': (store) => altered(store, {
    async create ({ replaces, ...session }) {
      const old = replaces && await store.get(replaces.id)
      const set = replaces?.carry ? { ...(old?.values ?? replaces.carry), ...session.set } : session.set
      return await store.create({ ...session, set })
    }
  }),
  'a sign-in ends the old session whatever its secret': (store) => altered(store, {
    async create (session) {
      const record = await store.create(session)
      if (session.replaces) await store.delete(session.replaces.id)
      return record
    }
  }),
  'a sign-in ends a blocked session': (store) => altered(store, {
    async create (session) {
      if (session.replaces && await store.get(session.replaces.id) === null) await store.delete(session.replaces.id)
      return await store.create(session)
    }
  }),
  'a sign-in carries what the request saw': (store) => altered(store, {
    async create (session) {
      const { replaces, set } = session
      if (!replaces?.carry) return await store.create(session)
      return await store.create({ ...session, set: { ...replaces.carry, ...set }, replaces: { ...replaces, carry: null } })
    }
  }),
  'a sign-in on a session that is gone loses the values': (store) => altered(store, {
    create: (session) => store.create(session.replaces?.carry ? { ...session, replaces: { ...session.replaces, carry: {} } } : session)
  }),
  'a sign-in with carry null carries': (store) => altered(store, {
    create: (session) => store.create(session.replaces ? { ...session, replaces: { ...session.replaces, carry: session.replaces.carry ?? {} } } : session)
  }),
  'the loser of two sign-ins is refused': (store) => altered(store, {
    async create (session) {
      if (session.replaces && await store.get(session.replaces.id) === null) throw new StoreError('create', new Error('gone'))
      return await store.create(session)
    }
  }),
  'a sign-in that is too large ends the old session all the same': (store) => altered(store, {
    async create (session) {
      return await store.create(session).catch(async (error: unknown) => {
        if (session.replaces) await store.delete(session.replaces.id)
        throw error
      })
    }
  }),
  'a renewal leaves the old session alive': (store) => altered(store, {
    async save (id, hash, change) {
      const old = await store.get(id)
      const saved = await store.save(id, hash, change)
      if (old !== null && saved !== null && saved.id !== id) await store.create(newSession({ ...old, set: old.values, maxAge: null }))
      return saved
    }
  }),
  'a renewal with the same id leaves the old secret alive': (store) => altered(store, {
    async save (id, hash, change) {
      const { renew, ...rest } = change
      if (renew === undefined || renew.id !== id) return await store.save(id, hash, change)
      const old = await store.get(id)
      const unset = Object.keys(old?.values ?? {}).filter((key) => !renew.keep.includes(key))
      return await store.save(id, hash, { ...rest, unset: [...rest.unset, ...unset] })
    }
  }),
  'a renewal keeps all values': (store) => altered(store, {
    async save (id, hash, change) {
      const keep = Object.keys((await store.get(id))?.values ?? {})
      return await store.save(id, hash, change.renew ? { ...change, renew: { ...change.renew, keep } } : change)
    }
  }),
  'a renewal that keeps all keeps what it knows of': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, change.renew?.keep === 'all' ? { ...change, renew: { ...change.renew, keep: Object.keys(change.set) } } : change)
  }),
  'a renewal forgets that it reauthenticates': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, change.renew === undefined ? change : { ...change, renew: { ...change.renew, reauthenticates: false } })
  }),
  'every renewal reauthenticates': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, change.renew === undefined ? change : { ...change, renew: { ...change.renew, reauthenticates: true } })
  }),
  'a renewal that drops tokens keeps the id': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, change.renew?.dropsTokens === true ? { ...change, renew: { ...change.renew, id } } : change)
  }),
  'create does not tell that it has replaced': (store) => altered(store, {
    async create (session) {
      const { replaced: _replaced, ...record } = await store.create(session)
      return record
    }
  }),
  'create tells that it has replaced what was not there': (store) => altered(store, {
    create: async (session) => ({ ...await store.create(session), ...(session.replaces && { replaced: true }) })
  }),
  'atMost does not tell whom it ends': (store) => altered(store, {
    async create (session) {
      const { evicted: _evicted, ...record } = await store.create(session)
      return record
    }
  }),
  'atMost tells of the session that is replaced': (store) => altered(store, {
    async create (session) {
      const { evicted = [], ...record } = await store.create(session)
      return { ...record, evicted: session.replaces === undefined ? evicted : [...evicted, session.replaces.id] }
    }
  }),
  'atMost is ignored': (store) => altered(store, { create: ({ atMost, ...session }) => store.create(session) }),
  'atMost ends the most recently seen': (store) => altered(store, {
    async create ({ atMost, ...session }) {
      const record = await store.create(session)
      const others = session.userId === null ? [] : (await store.listByUser(session.userId)).filter(({ id }) => id !== record.id).toReversed()
      for (const { id } of others.slice((atMost ?? Infinity) - 1)) await store.delete(id)
      return record
    }
  }),
  'atMost leaves blocked sessions out': (store) => altered(store, {
    async create ({ atMost, ...session }) {
      const record = await store.create(session)
      const others = session.userId === null ? [] : (await store.listByUser(session.userId)).filter(({ id, blockedAt }) => id !== record.id && blockedAt === null)
      for (const { id } of others.slice((atMost ?? Infinity) - 1)) await store.delete(id)
      return record
    }
  }),
  'atMost counts the session that is replaced': (store) => altered(store, {
    async create (session) {
      const { userId, replaces, atMost } = session
      if (userId !== null && atMost !== undefined && replaces !== undefined) {
        for (const { id } of (await store.listByUser(userId)).slice(atMost - 1)) await store.delete(id)
      }
      return await store.create(session)
    }
  }),
  'atMost ends others before the size is known': (store) => altered(store, {
    async create (session) {
      const { userId, atMost } = session
      if (userId !== null && atMost !== undefined) for (const { id } of (await store.listByUser(userId)).slice(atMost - 1)) await store.delete(id)
      return await store.create(session)
    }
  }),
  'atMost counts before it stores': (store) => altered(store, {
    async create ({ atMost, ...session }) {
      const others = session.userId === null ? [] : await store.listByUser(session.userId)
      for (const { id } of others.slice((atMost ?? Infinity) - 1)) await store.delete(id)
      return await store.create(session)
    }
  }),
  'a renewal is a new sign-in': (store) => altered(store, {
    async save (id, hash, change) {
      const old = await store.get(id)
      const saved = await store.save(id, hash, change)
      if (old === null || saved === null || !change.renew) return saved
      await store.delete(saved.id)
      return await store.create(newSession({ ...saved, set: saved.values, maxAge: saved.maxAge }))
    }
  })
}

export const ENDING: Readonly<Record<string, Break>> = {
  'expired is what lies after expiresAt, not at it': (store) => {
    // a millisecond more than it says
    const longer = (seconds: number): number => seconds + 0.001
    const earlier = (instant: Date): Date => new Date(instant.getTime() - 1)
    const told = <T extends SessionRecord>(record: T): T => ({ ...record, expiresAt: earlier(record.expiresAt), absoluteExpiresAt: earlier(record.absoluteExpiresAt) })
    return altered(store, {
      create: async (session) => told(await store.create({ ...session, idleSeconds: longer(session.idleSeconds), absoluteSeconds: longer(session.absoluteSeconds) })),
      get: async (id) => { const record = await store.get(id); return record && told(record) },
      save: async (id, hash, change) => { const record = await store.save(id, hash, { ...change, idleSeconds: longer(change.idleSeconds) }); return record && told(record) },
      listByUser: async (userId) => (await store.listByUser(userId)).map(told)
    })
  },
  'delete leaves the session to saves': (store) => {
    const deleted = new Set<string>()
    return altered(store, {
      get: async (id) => deleted.has(id) ? null : await store.get(id),
      listByUser: async (userId) => (await store.listByUser(userId)).filter(({ id }) => !deleted.has(id)),
      async delete (id) {
        if (deleted.has(id) || await store.get(id) === null) return await store.delete(id)
        deleted.add(id)
        return true
      },
      async save (id, hash, change) {
        const saved = await store.save(id, hash, change)
        if (saved !== null) deleted.delete(id)
        return saved
      }
    })
  },
  'delete answers true for anything': (store) => altered(store, { delete: async (id) => await store.delete(id) || true }),
  'delete does not count a blocked session': (store) => altered(store, {
    delete: async (id) => { const live = await store.get(id) !== null; return await store.delete(id) && live }
  }),
  'delete ignores the secret': (store) => altered(store, { delete: (id) => store.delete(id) }),
  'delete with a secret leaves a blocked session': (store) => altered(store, {
    delete: async (id, hash) => (hash === undefined || await store.get(id) !== null) && await store.delete(id, hash)
  }),
  'save does not see the block': (store) => {
    const blocked = new Set<string>()
    return altered(store, {
      async block (id, reason) { blocked.add(id); return await store.block(id, reason) },
      async save (id, hash, change) {
        if (!blocked.has(id)) return await store.save(id, hash, change)
        await store.unblock(id)
        const saved = await store.save(id, hash, change)
        await store.block(id, 'again')
        return saved
      }
    })
  },
  'get does not see the block': (store) => {
    const blocked = new Map<string, string>()
    return altered(store, {
      async block (id, reason) { blocked.set(id, reason); return await store.block(id, reason) },
      async get (id) {
        const reason = blocked.get(id)
        if (reason === undefined || !await store.unblock(id)) return await store.get(id)
        const record = await store.get(id)
        await store.block(id, reason)
        return record
      }
    })
  },
  'block deletes': (store) => altered(store, { block: (id) => store.delete(id) }),
  'a second block answers false': (store) => altered(store, { block: async (id, reason) => await store.get(id) !== null && await store.block(id, reason) }),
  'a block loses its reason': (store) => altered(store, { block: (id) => store.block(id, '') }),
  'unblock answers true for anything': (store) => altered(store, { unblock: async (id) => await store.unblock(id) || true })
}

export const MANAGING: Readonly<Record<string, Break>> = {
  'deleteByUser ignores except': (store) => altered(store, { deleteByUser: (userId) => store.deleteByUser(userId) }),
  'deleteByUser leaves blocked sessions': (store) => altered(store, {
    async deleteByUser (userId, options) {
      const ids = (await store.listByUser(userId)).filter(({ id, blockedAt }) => blockedAt === null && id !== options?.except).map(({ id }) => id)
      for (const id of ids) await store.delete(id)
      return ids
    }
  }),
  'deleteByUser answers before it has deleted all': (store) => altered(store, {
    async deleteByUser (userId, options) {
      const listed = await store.listByUser(userId)
      await store.deleteByUser(userId, options)
      return listed.map(({ id }) => id)
    }
  }),
  'listByUser shows the oldest first': (store) => altered(store, { listByUser: async (userId) => (await store.listByUser(userId)).toReversed() }),
  'listByUser hides blocked sessions': (store) => altered(store, {
    listByUser: async (userId) => (await store.listByUser(userId)).filter(({ blockedAt }) => blockedAt === null)
  }),
  'users differ in more than capitals': (store) => altered(store, {
    create: (session) => store.create({ ...session, userId: session.userId?.toLowerCase() ?? null }),
    listByUser: (userId) => store.listByUser(userId.toLowerCase())
  }),
  'setClaims merges': (store) => altered(store, {
    async setClaims (userId, claims) {
      const before = Object.assign({}, ...(await store.listByUser(userId)).map((record) => record.claims))
      return await store.setClaims(userId, { ...before, ...claims })
    }
  }),
  'setClaims counts as a change of values': (store) => altered(store, {
    async setClaims (userId, claims) {
      for (const { id, secretHash } of await store.listByUser(userId)) await store.save(id, secretHash, { set: {}, unset: ['none'], idleSeconds: 3600 })
      return await store.setClaims(userId, claims)
    }
  }),
  'cleanup deletes living sessions': (store) => {
    const ids = new Set<string>()
    return altered(store, {
      async create (session) { ids.add(session.id); return await store.create(session) },
      async cleanup (options) {
        const removed = await store.cleanup(options)
        if (removed > 0) for (const id of ids) await store.delete(id)
        return removed
      }
    })
  },
  'cleanup goes by the end that a session began with': (store, clock) => {
    const ends = new Map<string, number>()
    return altered(store, {
      async create (session) {
        ends.set(session.id, clock.now().getTime() + session.idleSeconds * 1000)
        return await store.create(session)
      },
      async cleanup (options) {
        for (const [id, end] of ends) if (end <= clock.now().getTime()) await store.delete(id)
        return await store.cleanup(options)
      }
    })
  },
  'cleanup counts too many': (store) => altered(store, { cleanup: async (options) => await store.cleanup(options) + 1 }),
  'cleanup ignores the size of a batch': (store) => altered(store, { cleanup: (options = {}) => store.cleanup({ ...options, batchSize: 1000 }) }),
  'cleanup ignores the signal': (store) => altered(store, { cleanup: ({ signal, ...options } = {}) => store.cleanup(options) }),
  'cleanup ignores the budget': (store) => altered(store, { cleanup: ({ budgetMs, ...options } = {}) => store.cleanup(options) }),
  'cleanup tells of no batch': (store) => altered(store, { cleanup: ({ onBatch, ...options } = {}) => store.cleanup(options) }),
  'close works once': (store) => {
    let closed = false
    return altered(store, {
      async close () {
        if (closed) throw new Error('called end on pool more than once')
        closed = true
      }
    })
  }
}
