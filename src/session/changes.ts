import { SessionValueError } from '../core/errors.js'
import { deepFreeze, isValues, MAX_KEYS } from './values.js'
import type { Json, JsonObject, ValuesPatch } from './store.js'

const NOTHING: JsonObject = Object.freeze({})

/**
 * What one request has changed of a session's values, over the values it started from.
 *
 * The patch, not the result, is what is saved: a concurrent request's changes of other keys survive.
 */
export class Changes {
  #base: JsonObject
  #patch: Map<string, Json | undefined> | null = null

  constructor (base: JsonObject) {
    this.#base = objectOf(base)
  }

  get isEmpty (): boolean { return this.#patch === null || this.#patch.size === 0 }

  get (key: string): Json | undefined {
    if (this.#patch?.has(key) === true) return this.#patch.get(key)
    if (!Object.hasOwn(this.#base, key)) return undefined
    const value = this.#base[key]
    return value === undefined ? undefined : deepFreeze(value)
  }

  /** All values, frozen. */
  all (): JsonObject {
    const all = new Map<string, Json>(Object.entries(this.#base))
    for (const [key, value] of this.#patch ?? []) {
      if (value === undefined) all.delete(key)
      else all.set(key, value)
    }
    return deepFreeze(Object.fromEntries(all))
  }

  /** @throws SessionValueError for a 257th key */
  set (key: string, value: Json): void {
    if (this.get(key) === undefined && Object.keys(this.all()).length >= MAX_KEYS) {
      throw new SessionValueError(key, `would be key ${MAX_KEYS + 1}; a session has at most ${MAX_KEYS}`)
    }
    this.#patch ??= new Map()
    this.#patch.set(key, value)
  }

  unset (key: string): void {
    this.#patch ??= new Map()
    this.#patch.set(key, undefined)
  }

  /** Forgets a change, as if it had not been made: where nothing is stored that would have to be removed. */
  forget (key: string): void {
    this.#patch?.delete(key)
  }

  /** The patch as it stands, or, with `keys`, of these alone. */
  toPatch (keys?: readonly string[]): ValuesPatch {
    const set: [string, Json][] = []
    const unset: string[] = []
    for (const [key, value] of this.#patch ?? []) {
      if (keys?.includes(key) === false) continue
      if (value === undefined) unset.push(key)
      else set.push([key, value])
    }
    return { set: Object.fromEntries(set), unset }
  }

  /** The values are now these, changes of this request on top. */
  rebase (base: JsonObject): void {
    this.#base = objectOf(base)
  }

  /** Drops what has been written from the patch; what was changed since stays pending, or is to be taken back. */
  settle ({ set, unset }: ValuesPatch): void {
    for (const [key, value] of Object.entries(set)) {
      if (this.#patch?.has(key) !== true) this.unset(key)
      else if (this.#patch.get(key) === value) this.#patch.delete(key)
    }
    for (const key of unset) {
      if (this.#patch?.has(key) === true && this.#patch.get(key) === undefined) this.#patch.delete(key)
    }
  }

  /** Keeps the named keys alone: of the values they started from, and of the changes. */
  keepOnly (keys: readonly string[]): void {
    this.#base = Object.fromEntries(Object.entries(this.#base).filter(([key]) => keys.includes(key)))
    for (const key of this.#patch?.keys() ?? []) {
      if (!keys.includes(key)) this.#patch?.delete(key)
    }
  }

  /** Turns all values into changes over nothing: for a session that begins and has no row to take them from. */
  detach (): void {
    const all = this.all()
    this.#base = {}
    this.#patch = new Map(Object.entries(all))
  }
}

/** A row may have been edited by hand under this request: no save will find it. */
const objectOf = (values: JsonObject): JsonObject => isValues(values) ? values : NOTHING
