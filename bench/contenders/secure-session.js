/** @fastify/secure-session: the contents travel in the cookie, encrypted; nothing can be ended on the server. */

import { createHash } from 'node:crypto'
import { fromRoot } from '../lib/root.js'
import { addRoutes } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export async function start ({ secret }) {
  const app = fromRoot('fastify')()
  await app.register(fromRoot('@fastify/secure-session'), { key: createHash('sha256').update(secret).digest(), cookie: { path: '/', httpOnly: true } })
  addRoutes(app, {
    get: (request, key) => request.session.get(key),
    set (request, key, value) { request.session.set(key, value) }
  })
  return app
}
