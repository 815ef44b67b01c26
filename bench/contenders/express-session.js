/** Express with express-session + connect-pg-simple, as its users are told to set it: each read moves the expiry of its row. */

import { once } from 'node:events'
import connectPgSimple from 'connect-pg-simple'
import express from 'express'
import session from 'express-session'
import { fromRoot } from '../lib/root.js'
import { contentsOf } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read', 'write', 'anonymous']

export async function start ({ connectionString, max, secret }) {
  const pool = new (fromRoot('pg').Pool)({ connectionString, max })
  const store = new (connectPgSimple(session))({ pool, createTableIfMissing: true })
  const app = express()
  app.use(session({ secret, store, resave: false, saveUninitialized: false, cookie: { maxAge: 86_400_000 } }))
  app.post('/seed/:index', (request, response) => {
    Object.assign(request.session, contentsOf(Number(request.params.index)))
    response.json({})
  })
  app.get('/read', ({ session: { index, theme, n } }, response) => { response.json({ index, theme, n }) })
  app.post('/write/:n', (request, response) => {
    const n = Number(request.params.n)
    request.session.n = n
    response.json({ n })
  })
  app.get('/anonymous', (request, response) => { response.json({ theme: request.session.theme ?? 'light' }) })
  return asFastify(app, async () => {
    store.close()
    await pool.end()
  })
}

/** The two methods by which contenders are started and stopped. */
function asFastify (app, release) {
  let server
  return {
    async listen ({ port, host }) {
      server = app.listen(port, host)
      await once(server, 'listening')
      return `http://${host}:${server.address().port}`
    },
    async close () {
      server.closeAllConnections()
      server.close()
      await release()
    }
  }
}
