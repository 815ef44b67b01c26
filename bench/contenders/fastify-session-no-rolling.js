/** @fastify/session + connect-pg-simple with `rolling: false`: reads write nothing, and a session in use expires all the same. */

import { startFastifySession } from '../lib/fastify-session.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export const start = (setup) => startFastifySession(setup, { rolling: false })
