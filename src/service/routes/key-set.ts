import type { FastifyPluginAsync } from 'fastify'
import { keySet } from '../openapi/watch.js'

/** How long others may keep the keys: a new one is published so long before it signs. */
const CACHE_SECONDS = 300

/** The public keys of access tokens (RFC 7517). Without the session, the store and the database. */
export const keySetRoute: FastifyPluginAsync = async (app) => {
  app.get('/.well-known/jwks.json', { schema: keySet, config: { always: true, session: false } }, async (_request, reply) => {
    reply.header('cache-control', `public, max-age=${CACHE_SECONDS}`)
    return app.tokens.keySet()
  })
}
