/** @fastify/session + connect-pg-simple as they come: `rolling`, so that each request writes its row. */

import { startFastifySession } from '../lib/fastify-session.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export const start = (setup) => startFastifySession(setup, {})
