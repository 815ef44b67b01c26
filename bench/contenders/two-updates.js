/**
 * What a rotation cannot do without: one prepared statement that updates the two rows by primary key, and one signature.
 *
 * No lock order, no check of the token or of the session, no derived successor.
 */

import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { fromRoot, urlOf } from '../lib/root.js'

export const hasSessions = true
export const workloads = ['rotate']

const ROTATE = {
  name: 'rotate',
  text: `WITH s AS (
    UPDATE sessions SET expires_at = now() + interval '30 days', last_seen_at = now() WHERE id = $1
  )
  UPDATE refresh_tokens SET generation = generation + 1, token_hash = $2, previous_hash = token_hash,
    delivered_at = now(), updated_at = now(), confirmed_at = NULL
  WHERE session_id = $1`
}

export async function start ({ connectionString, max }) {
  const { migrate } = await import(urlOf('dist/index.js'))
  const { SignJWT } = await import(fromRoot.resolve('jose'))
  await migrate({ connectionString })
  const app = fromRoot('fastify')()
  const pool = new (fromRoot('pg').Pool)({ connectionString, max })
  const { privateKey } = generateKeyPairSync('ed25519')
  const ids = []
  const hash = () => createHash('sha256').update(randomBytes(32)).digest()

  app.post('/seed/:index', async (request, reply) => {
    const id = ids[Number(request.params.index)] = randomUUID()
    await pool.query(`INSERT INTO sessions (id, secret_hash, user_id, expires_at, absolute_expires_at)
      VALUES ($1, $2, 'user', now() + interval '30 days', now() + interval '60 days')`, [id, hash()])
    await pool.query("INSERT INTO refresh_tokens (session_id, user_id, token_hash) VALUES ($1, 'user', $2)", [id, hash()])
    reply.header('set-cookie', `id=${id}`)
    return {}
  })
  app.post('/rotate/:index', async (request) => {
    const id = ids[Number(request.params.index)]
    const { rowCount } = await pool.query({ ...ROTATE, values: [id, hash()] })
    const token = await new SignJWT({ client_id: 'bench', sid: id, gen: 1, is_admin: false, roles: [], auth_time: 1_700_000_000 })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'bench' }).setIssuer('https://bench.example').setAudience('bench')
      .setSubject('user').setJti(randomUUID()).setIssuedAt().setExpirationTime('15m').sign(privateKey)
    return { rotated: rowCount === 1 && token.length > 0 }
  })
  app.addHook('onClose', () => pool.end())
  return app
}
