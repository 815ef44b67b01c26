/**
 * Fastify with @fastify/cookie and sessions in a Map: what a server costs whatever it does with a cookie, and with none.
 *
 * No signature, no expiry, no copy, no session object; a cookie as long as Silverback's.
 */

import { randomBytes } from 'node:crypto'
import { fromRoot } from '../lib/root.js'
import { contentsOf } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'anonymous']

export async function start () {
  const app = fromRoot('fastify')()
  await app.register(fromRoot('@fastify/cookie'))
  const sessions = new Map()
  app.post('/seed/:index', async (request, reply) => {
    const id = randomBytes(75).toString('hex')
    sessions.set(id, contentsOf(Number(request.params.index)))
    reply.header('set-cookie', `id=${id}`)
    return {}
  })
  app.get('/read', async (request) => {
    const { index, theme, n } = sessions.get(request.cookies.id)
    return { index, theme, n }
  })
  app.get('/anonymous', async (request) => ({ theme: sessions.get(request.cookies.id)?.theme ?? 'light' }))
  return app
}
