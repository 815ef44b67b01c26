import { show } from '../core/options.js'
import type { TokenStore } from './store.js'

const METHODS = [
  'createRefreshToken', 'rotateRefreshToken', 'revokeRefreshToken', 'getUserFromRefreshToken', 'confirmRefreshToken', 'isAccessValid',
  'watchRevocations', 'now', 'close'
] as const satisfies readonly (keyof TokenStore)[]

/** @throws TypeError for what is no TokenStore, naming the first method that it lacks */
export function checkTokenStore (given: unknown): asserts given is TokenStore {
  if (typeof given !== 'object' || given === null) throw new TypeError(`"store" option must be a TokenStore, such as new PostgresTokenStore(…); got ${show(given)}`)
  for (const method of METHODS) {
    if (typeof Reflect.get(given, method) !== 'function') throw new TypeError(`"store" option must be a TokenStore; it has no method "${method}"`)
  }
}
