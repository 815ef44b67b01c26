import type { FastifyPluginAsync } from 'fastify'
import type { Database } from '../../stores/postgres/query.js'
import type { AdminActs } from '../admin/acts.js'
import { searchSessions } from '../admin/session-list.js'
import type { Search } from '../admin/session-list.js'
import * as operations from '../openapi/admin.js'

type OfSession = { Params: { id: string } }

/**
 * For administrators: all sessions, and what can be done to one. Acts are answered with 204, and 404 where there is no
 * such session. One's own cannot be blocked: 409 `ERR_OWN_ACCOUNT`; to end it is to sign out.
 */
export const adminSessionRoutes: FastifyPluginAsync<{ database: Database, acts: AdminActs }> = async (app, { database, acts }) => {
  app.addHook('onRequest', app.requireAdmin)
  app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  app.get<{ Querystring: Search }>('/sessions', { schema: operations.searchSessions }, async (request) =>
    await searchSessions(database, request.query, request.auth?.sessionId ?? ''))

  app.post<OfSession & { Body: { reason?: string } | null | undefined }>('/sessions/:id/block', { schema: operations.blockSession }, async (request, reply) => {
    const outcome = await acts.blockSession(request, request.params.id, request.body?.reason ?? null)
    if (outcome === 'already') reply.header('x-blocked-already', 'true')
    return await reply.code(204).send()
  })

  app.post<OfSession>('/sessions/:id/unblock', { schema: operations.unblockSession }, async (request, reply) => {
    await acts.unblockSession(request, request.params.id)
    return await reply.code(204).send()
  })

  app.delete<OfSession>('/sessions/:id', { schema: operations.endAnySession }, async (request, reply) => {
    await acts.endSession(request, request.params.id)
    return await reply.code(204).send()
  })
}
