/**
 * Stores that each have one classic bug. The suite must see every one of them.
 *
 * Each is a correct memory store with one thing done wrong in front of it.
 */

import { StoreError } from '../../src/core/errors.js'
import type { JsonObject, SessionChange, SessionRecord, Store } from '../../src/session/store.js'
import type { MemoryStore } from '../../src/stores/memory/store.js'
import { newSession } from '../../src/testing/fixtures.js'
import type { Clock } from '../helpers/memory-harness.js'

export type Break = (store: MemoryStore, clock: Clock) => Store

/** A store that is this one, but for the methods given. */
export function altered (store: Store, over: Partial<Store>): Store {
  return {
    create: (session) => store.create(session),
    get: (id) => store.get(id),
    save: (id, hash, change) => store.save(id, hash, change),
    delete: (id, secretHash) => store.delete(id, secretHash),
    cleanup: (options) => store.cleanup(options),
    compareAndSave: (id, hash, version, change) => store.compareAndSave(id, hash, version, change),
    listByUser: (userId) => store.listByUser(userId),
    deleteByUser: (userId, options) => store.deleteByUser(userId, options),
    block: (id, reason) => store.block(id, reason),
    unblock: (id) => store.unblock(id),
    setClaims: (userId, claims) => store.setClaims(userId, claims),
    close: () => store.close(),
    ...over
  }
}

const isSlide = ({ set, unset, renew }: SessionChange): boolean =>
  Object.keys(set).length === 0 && unset.length === 0 && renew === undefined

const without = (values: JsonObject, keys: readonly string[]): readonly string[] => Object.keys(values).filter((key) => !keys.includes(key))

export const SAVING: Readonly<Record<string, Break>> = {
  'save inserts where there is nothing (upsert)': (store) => altered(store, {
    async save (id, secretHash, change) {
      return await store.save(id, secretHash, change) ?? await store.create(newSession({ ...change, id, secretHash, maxAge: null })).catch(() => null)
    }
  }),
  'save ignores the secret': (store) => altered(store, {
    async save (id, secretHash, change) {
      return await store.save(id, (await store.get(id))?.secretHash ?? secretHash, change)
    }
  }),
  'save writes the whole object that was read before': (store) => altered(store, {
    async save (id, secretHash, change) {
      const before = await store.get(id)
      if (before === null || change.renew !== undefined) return await store.save(id, secretHash, change)
      const { [Symbol.iterator]: _, ...set }: JsonObject & { [Symbol.iterator]?: never } = { ...before.values, ...change.set }
      for (const key of change.unset) Reflect.deleteProperty(set, key)
      const now = await store.get(id)
      return await store.save(id, secretHash, { ...change, set, unset: without(now?.values ?? {}, Object.keys(set)) })
    }
  }),
  'of saves of one key the first wins': (store) => altered(store, {
    async save (id, secretHash, change) {
      const { values = {} } = await store.get(id) ?? {}
      const set = Object.fromEntries(Object.entries(change.set).filter(([key]) => !Object.hasOwn(values, key)))
      return await store.save(id, secretHash, { ...change, set })
    }
  }),
  'save ignores unset': (store) => altered(store, { save: (id, hash, change) => store.save(id, hash, { ...change, unset: [] }) }),
  'save moves no time': (store) => altered(store, {
    async save (id, hash, change) {
      const { expiresAt, readAt } = await store.get(id) ?? {}
      return await store.save(id, hash, expiresAt && readAt ? { ...change, idleSeconds: (expiresAt.getTime() - readAt.getTime()) / 1000 } : change)
    }
  }),
  'idleSeconds goes before the session\'s own maxAge': (store) => altered(store, {
    async save (id, hash, change) {
      const { maxAge } = await store.get(id) ?? {}
      if (maxAge == null || change.maxAge !== undefined) return await store.save(id, hash, change)
      const saved = await store.save(id, hash, { ...change, maxAge: change.idleSeconds })
      return saved && { ...saved, maxAge }
    }
  }),
  'a slide takes its idleSeconds for the batch\'s': (store) => {
    let last: number | null = null
    return altered(store, {
      async save (id, hash, change) {
        const { maxAge } = await store.get(id) ?? {}
        last ??= maxAge ?? change.idleSeconds
        const saved = await store.save(id, hash, maxAge == null ? change : { ...change, maxAge: last })
        return saved && { ...saved, maxAge: maxAge ?? null }
      }
    })
  },
  'save forgets maxAge': (store) => altered(store, { save: (id, hash, change) => store.save(id, hash, { maxAge: null, ...change }) }),
  'a slide rewrites the values that get has read': (store) => {
    const seen = new Map<string, JsonObject>()
    return altered(store, {
      async get (id) {
        const record = await store.get(id)
        if (record !== null) seen.set(id, structuredClone(record.values))
        return record
      },
      save: (id, hash, change) => store.save(id, hash, isSlide(change) ? { ...change, set: seen.get(id) ?? {} } : change)
    })
  },
  'a slide counts as a version': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, isSlide(change) ? { ...change, unset: ['no such key'] } : change)
  }),
  'a slide moves the absolute end': (store) => {
    const ends = new Map<string, Date>()
    const faked = (record: SessionRecord | null): SessionRecord | null => record && { ...record, absoluteExpiresAt: ends.get(record.id) ?? record.absoluteExpiresAt }
    return altered(store, {
      async create (session) {
        const { absoluteSeconds } = session
        const record = await store.create({ ...session, idleSeconds: Math.min(session.idleSeconds, absoluteSeconds), absoluteSeconds: absoluteSeconds * 100 })
        const end = new Date(record.createdAt.getTime() + absoluteSeconds * 1000)
        ends.set(record.id, end)
        return { ...record, absoluteExpiresAt: end }
      },
      get: async (id) => faked(await store.get(id)),
      async save (id, hash, change) {
        const record = await store.save(id, hash, change)
        const end = ends.get(id)
        if (record !== null && end !== undefined) ends.set(record.id, record.expiresAt > end ? record.expiresAt : end)
        return faked(record)
      }
    })
  },
  'the size limit is missing': (store) => altered(store, {
    save: (id, hash, change) => store.save(id, hash, change).catch(() => store.get(id))
  }),
  'the size limit counts characters': (store) => altered(store, {
    save: (id, hash, change) => JSON.stringify(change.set).length > 200_000 ? store.save(id, hash, change) : store.save(id, hash, change).catch(() => store.get(id))
  }),
  'a save that is too large takes its batch with it': (store) => {
    let batch: Promise<unknown>[] = []
    return altered(store, {
      async save (id, hash, change) {
        const mine = store.save(id, hash, change)
        const batched = [...batch, mine]
        batch = batched
        queueMicrotask(() => { batch = [] })
        await Promise.all(batched)
        return await mine
      }
    })
  }
}

export const COMPARING: Readonly<Record<string, Break>> = {
  'compareAndSave ignores the version': (store) => altered(store, { compareAndSave: (id, hash, _version, change) => store.save(id, hash, change) }),
  'compareAndSave compares before it waits': (store) => altered(store, {
    async compareAndSave (id, hash, version, change) {
      const stored = await store.get(id)
      return stored !== null && stored.version !== version ? 'conflict' : await store.save(id, hash, change)
    }
  }),
  'compareAndSave takes "gone" for a conflict': (store) => altered(store, {
    compareAndSave: async (...given) => await store.compareAndSave(...given) ?? 'conflict'
  }),
  'compareAndSave writes in spite of a conflict': (store) => altered(store, {
    async compareAndSave (id, hash, version, change) {
      const answer = await store.compareAndSave(id, hash, version, change)
      if (answer === 'conflict') await store.save(id, hash, change)
      return answer
    }
  })
}

export const READING: Readonly<Record<string, Break>> = {
  'get gives out the object that it holds': (store) => {
    const held = new Map<string, SessionRecord>()
    return altered(store, {
      async get (id) {
        const record = await store.get(id)
        const known = held.get(id)
        if (record === null || (known !== undefined && known.version === record.version)) return record && (known ?? null)
        held.set(id, record)
        return record
      }
    })
  },
  'callers of one tick share an object': (store) => {
    const loading = new Map<string, Promise<SessionRecord | null>>()
    return altered(store, {
      get (id) {
        const load = loading.get(id) ?? store.get(id)
        loading.set(id, load)
        queueMicrotask(() => loading.clear())
        return load
      }
    })
  },
  'what is frozen is given out': (store) => altered(store, {
    async get (id) {
      const record = await store.get(id)
      return record && { ...record, values: Object.freeze(record.values) }
    }
  }),
  'batched gets answer in the wrong order': (store) => {
    let waiting: { id: string, resolve: (record: SessionRecord | null) => void }[] = []
    const flush = async (): Promise<void> => {
      const batch = waiting
      waiting = []
      const records = (await Promise.all(batch.map(({ id }) => store.get(id)))).toSorted((a, b) => (a?.id ?? '').localeCompare(b?.id ?? ''))
      batch.forEach(({ resolve }, n) => { resolve(records[n] ?? null) })
    }
    return altered(store, {
      get (id) {
        if (waiting.length === 0) queueMicrotask(() => { flush().catch(() => {}) })
        return new Promise((resolve) => { waiting.push({ id, resolve }) })
      }
    })
  },
  'get reads a copy that is old': (store) => {
    const copies = new Map<string, SessionRecord>()
    return altered(store, {
      async get (id) {
        const copy = copies.get(id)
        if (copy !== undefined && await store.get(id) !== null) return structuredClone(copy)
        const record = await store.get(id)
        if (record !== null) copies.set(id, structuredClone(record))
        return record
      }
    })
  },
  'an unknown id is an error': (store) => altered(store, {
    async get (id) {
      const record = await store.get(id)
      if (record === null) throw new StoreError('get', new Error('unknown'))
      return record
    }
  }),
  'an id that is no UUID is an error': (store) => altered(store, {
    async get (id) {
      if (!/^[0-9a-f-]{36}$/.test(id)) throw new StoreError('get', new Error('invalid input syntax'))
      return await store.get(id)
    }
  }),
  'the machine\'s clock tells readAt': (store) => altered(store, {
    get: async (id) => { const record = await store.get(id); return record && { ...record, readAt: new Date() } }
  }),
  'text is normalised': (store) => altered(store, {
    create: (session) => store.create({ ...session, set: JSON.parse(JSON.stringify(session.set).normalize('NFC')) })
  }),
  'values are merged by assignment': (store) => altered(store, {
    async get (id) {
      const record = await store.get(id)
      if (record === null) return null
      const values: JsonObject = {}
      for (const [key, value] of Object.entries(record.values)) Reflect.set(values, key, value)
      return { ...record, values }
    }
  })
}
