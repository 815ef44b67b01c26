/** Silverback with PostgresStore and PostgresTokenStore, default settings but for the shortest generation age. */

import { startSilverback } from '../lib/silverback.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous', 'verify', 'rotate']

export const start = (setup) => startSilverback(setup)
