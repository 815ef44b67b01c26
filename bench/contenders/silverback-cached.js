/** Silverback with `cached` around the same PostgresStore, default settings: sessions that were read a moment ago are not read again. */

import { urlOf } from '../lib/root.js'
import { startSilverback } from '../lib/silverback.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export async function start (setup) {
  const { cached } = await import(urlOf('dist/index.js'))
  return await startSilverback(setup, { wrap: (store) => cached(store) })
}
