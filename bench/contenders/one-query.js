/**
 * Fastify with one `pool.query` a request, prepared, by primary key: what a read costs a server that does nothing else.
 *
 * No signature, no expiry, no write.
 */

import { randomUUID } from 'node:crypto'
import { fromRoot } from '../lib/root.js'
import { contentsOf } from '../lib/routes.js'

export const hasSessions = true
export const workloads = ['read']

const READ = { name: 'read', text: 'SELECT contents FROM one_query WHERE id = $1' }

export async function start ({ connectionString, max }) {
  const app = fromRoot('fastify')()
  const pool = new (fromRoot('pg').Pool)({ connectionString, max })
  await pool.query('CREATE TABLE one_query (id uuid PRIMARY KEY, contents jsonb NOT NULL)')
  app.post('/seed/:index', async (request, reply) => {
    const id = randomUUID()
    await pool.query('INSERT INTO one_query VALUES ($1, $2)', [id, contentsOf(Number(request.params.index))])
    reply.header('set-cookie', `id=${id}`)
    return {}
  })
  app.get('/read', async (request) => {
    const { rows } = await pool.query({ ...READ, values: [request.headers.cookie.slice(3)] })
    const { index, theme, n } = rows[0].contents
    return { index, theme, n }
  })
  app.addHook('onClose', () => pool.end())
  return app
}
