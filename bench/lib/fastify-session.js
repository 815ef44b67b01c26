/** @fastify/session on connect-pg-simple, for the contenders that differ in options only. */

import fastifySession from '@fastify/session'
import connectPgSimple from 'connect-pg-simple'
import { fromRoot } from './root.js'
import { addRoutes } from './routes.js'

/**
 * `saveUninitialized: false`, as its users are told to set: with the default every visitor's request inserts a row.
 * `secure: false`, or it would set no cookie over http.
 */
export async function startFastifySession ({ connectionString, max, secret }, options) {
  const app = fromRoot('fastify')()
  const pool = new (fromRoot('pg').Pool)({ connectionString, max })
  const store = new (connectPgSimple(fastifySession))({ pool, createTableIfMissing: true })
  await app.register(fromRoot('@fastify/cookie'))
  await app.register(fastifySession, { secret, store, saveUninitialized: false, cookie: { secure: false, maxAge: 86_400_000 }, ...options })
  addRoutes(app, {
    get: (request, key) => request.session.get(key),
    set (request, key, value) { request.session.set(key, value) }
  })
  app.addHook('onClose', async () => {
    store.close()
    await pool.end()
  })
  return app
}
