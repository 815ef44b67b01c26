import { SessionValueError } from '../core/errors.js'
import type { Json, JsonObject } from './store.js'

/** Most keys of a session. */
export const MAX_KEYS = 256
/** Most bytes of a key. */
const MAX_KEY_BYTES = 256
/** Most bytes of one value as JSON. */
const MAX_VALUE_BYTES = 64 * 1024
/** Deepest nesting of a value: `[[1]]` is 2 deep. */
const MAX_DEPTH = 32

/**
 * Refuses a key that JSONB cannot hold, or that would reach a prototype.
 *
 * @throws SessionValueError `ERR_SESSION_VALUE`
 */
export function checkKey (key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new SessionValueError(String(key), 'has a key that is not text')
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new SessionValueError(key, `has a key over ${MAX_KEY_BYTES} bytes`)
  const fault = textFault(key)
  if (fault !== null) throw new SessionValueError(key, `has a key with ${fault}`)
  if (key === '__proto__') throw new SessionValueError(key, 'must not be a key')
}

/**
 * Copies a value in one walk, so that getters and proxies are asked once, and freezes the copy.
 *
 * What JSONB would not give back exactly is refused: the copy reads back deep-equal, but for `-0`, which becomes 0.
 *
 * @throws SessionValueError `ERR_SESSION_VALUE` naming `key`
 */
export function copyValue (key: string, value: unknown): Json {
  const checks = new Checks(key)
  const copy = walk(value, 0, [], checks)
  checks.spend(Buffer.byteLength(JSON.stringify(copy)) - checks.spent)
  return copy
}

/** Freezes what a store returned, in depth, and returns it. */
export function deepFreeze<T extends Json> (value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values<Json>(value)) deepFreeze(inner)
  return Object.freeze(value)
}

/** Whether a stored value has the shape of a session's values: a row edited by hand may not. */
export function isValues (value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Refuses for one key, and counts what the walk has met: shared parts count each time, as JSON repeats them. */
class Checks {
  readonly #key: string
  #spent = 0

  constructor (key: string) {
    this.#key = key
  }

  /** Bytes of JSON at least. */
  get spent (): number { return this.#spent }

  spend (bytes: number): void {
    this.#spent += bytes
    if (this.#spent > MAX_VALUE_BYTES) this.refuse(`is over ${MAX_VALUE_BYTES / 1024} KiB of JSON`)
  }

  refuse (reason: string): never {
    throw new SessionValueError(this.#key, reason)
  }
}

function walk (value: unknown, depth: number, path: readonly object[], checks: Checks): Json {
  checks.spend(typeof value === 'string' ? value.length : 1)
  switch (typeof value) {
    case 'boolean': return value
    case 'string': {
      const fault = textFault(value)
      return fault === null ? value : checks.refuse(`holds ${fault}`)
    }
    case 'number':
      if (!Number.isFinite(value)) return checks.refuse(`holds ${value}`)
      return value === 0 ? 0 : value
    case 'object':
      if (value === null) return null
      if (path.includes(value)) return checks.refuse('holds itself')
      if (depth === MAX_DEPTH) return checks.refuse(`is deeper than ${MAX_DEPTH}`)
      return Array.isArray(value)
        ? walkArray(value, depth, [...path, value], checks)
        : walkObject(value, depth, [...path, value], checks)
    default: return checks.refuse(`holds a ${typeof value}`)
  }
}

function walkArray (array: readonly unknown[], depth: number, path: readonly object[], checks: Checks): Json {
  if (!Array.isArray(Object.getPrototypeOf(array))) return checks.refuse('holds an instance of a class of arrays')
  // one own key an element and 'length': neither holes nor further properties
  if (Reflect.ownKeys(array).length !== array.length + 1) return checks.refuse('holds a sparse array, or one with properties')
  return Object.freeze(Array.from(array, (inner) => walk(inner, depth + 1, path, checks)))
}

function walkObject (object: object, depth: number, path: readonly object[], checks: Checks): Json {
  if (!isPlain(object)) return checks.refuse(`holds a ${object.constructor?.name || 'class instance'}, which is no plain object`)
  const names = Object.keys(object)
  if (Reflect.ownKeys(object).length !== names.length) return checks.refuse('holds a symbol as a key, or a hidden property')
  const entries: [string, Json][] = []
  for (const name of names) {
    if (name === '__proto__') return checks.refuse('holds the key "__proto__"')
    const fault = textFault(name)
    if (fault !== null) return checks.refuse(`holds a key with ${fault}`)
    entries.push([name, walk(Reflect.get(object, name), depth + 1, path, checks)])
  }
  return Object.freeze(Object.fromEntries(entries))
}

/** Plain: made by `{}`, `Object.create(null)` or JSON, in this realm or another. */
function isPlain (object: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(object)
  return prototype === null || prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
}

/** What JSONB cannot store in a text; `null`: nothing. */
function textFault (text: string): string | null {
  if (text.includes('\0')) return 'a NUL character'
  return text.isWellFormed() ? null : 'half a surrogate pair'
}
