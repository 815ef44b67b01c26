/** Silverback with PostgresStore, default settings. */

import { fromRoot, urlOf } from '../lib/root.js'
import { addRoutes } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export async function start ({ connectionString, max, secret }) {
  const { migrate, PostgresStore, sessions } = await import(urlOf('dist/index.js'))
  await migrate({ connectionString })
  const app = fromRoot('fastify')()
  await app.register(sessions, { store: new PostgresStore({ connectionString, max }), authKey: secret })
  addRoutes(app, {
    get: (request, key) => request.session.get(key),
    set (request, key, value) { request.session.set(key, value) }
  })
  return app
}
