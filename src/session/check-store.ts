import { show } from '../core/options.js'
import type { Store } from './store.js'

const METHODS = [
  'create', 'get', 'save', 'delete', 'cleanup', 'compareAndSave', 'listByUser', 'deleteByUser', 'block', 'unblock', 'setClaims', 'close'
] as const satisfies readonly (keyof Store)[]
/** A store may do without these. */
const OPTIONAL = ['view', 'saveSeen'] as const satisfies readonly (keyof Store)[]

/** @throws TypeError for what is no Store, naming the first method that it lacks */
export function checkStore (given: unknown): asserts given is Store {
  if (typeof given !== 'object' || given === null) throw new TypeError(`"store" option must be a Store, such as new PostgresStore(…); got ${show(given)}`)
  for (const method of METHODS) {
    if (typeof Reflect.get(given, method) !== 'function') throw new TypeError(`"store" option must be a Store; it has no method "${method}"`)
  }
  for (const method of OPTIONAL) {
    const value: unknown = Reflect.get(given, method)
    if (value !== undefined && typeof value !== 'function') throw new TypeError(`"store" option must be a Store; its "${method}" is no method: ${show(value)}`)
  }
}
