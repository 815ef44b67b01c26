/** Fastify without any session: what is left when a session costs nothing. */

import { fromRoot } from '../lib/root.js'
import { addRoutes, contentsOf } from '../lib/routes.js'

export const hasSessions = false
export const workloads = ['read', 'write', 'anonymous', 'verify']

export async function start () {
  const app = fromRoot('fastify')()
  const contents = contentsOf(0)
  addRoutes(app, {
    get: (request, key) => request.url === '/anonymous' ? undefined : contents[key],
    set () {}
  })
  app.get('/verify', async () => ({ verified: true }))
  return app
}
