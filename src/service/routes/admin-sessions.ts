import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { invalid, RequestError } from '../../plugins/problems.js'
import type { Database } from '../../stores/postgres/query.js'
import { searchSessions } from '../admin/session-list.js'
import type { Search } from '../admin/session-list.js'

const TEXT = { type: 'string' }
const SEARCH = { type: 'object', additionalProperties: false, properties: { user: TEXT, q: TEXT, cursor: TEXT } }
const BLOCK = {
  type: 'object',
  nullable: true, // how an absent body arrives
  additionalProperties: false,
  properties: { reason: { type: 'string', minLength: 1, maxLength: 512 } }
}
const REASON = 'administrator'

type OfSession = { Params: { id: string } }

/**
 * For administrators: all sessions, and what can be done to one. Acts are answered with 204, and 404 where there is no
 * such session. One's own cannot be blocked: 409 `ERR_OWN_ACCOUNT`; to end it is to sign out.
 */
export const adminSessionRoutes: FastifyPluginAsync<{ database: Database }> = async (app, { database }) => {
  app.addHook('onRequest', app.requireAdmin)
  app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  app.get<{ Querystring: Search }>('/sessions', { schema: { querystring: SEARCH } }, async (request) =>
    await searchSessions(database, request.query, request.auth?.sessionId ?? ''))

  app.post<OfSession & { Body: { reason?: string } | null | undefined }>('/sessions/:id/block', { schema: { body: BLOCK } }, async (request, reply) => {
    const { id } = request.params
    const reason = request.body?.reason ?? REASON
    if (/[\p{Cc}\p{Cs}]/u.test(reason)) throw invalid('reason', 'must not hold control characters')
    if (id === request.auth?.sessionId) throw ownAccount('your own session cannot be blocked: sign out instead')
    return await reply.code(told(request, 'block', await app.sessions.block(id, reason))).send()
  })

  app.post<OfSession>('/sessions/:id/unblock', async (request, reply) =>
    await reply.code(told(request, 'unblock', await app.sessions.unblock(request.params.id))).send())

  app.delete<OfSession>('/sessions/:id', async (request, reply) =>
    await reply.code(told(request, 'end', await app.sessions.end(request.params.id))).send())
}

/** What an administrator must not do to themselves: nobody might be left to undo it. */
export const ownAccount = (detail: string): RequestError => new RequestError(409, 'ERR_OWN_ACCOUNT', detail)

/** Logs what was done, and by whom. @throws RequestError 404 when there was nothing to do it to */
export function told (request: FastifyRequest<{ Params: { id: string } }>, act: string, isDone: boolean): 204 {
  if (!isDone) throw new RequestError(404, 'ERR_NOT_FOUND', 'there is nothing here')
  request.log.info({ event: 'admin', act, of: request.params.id, userId: request.auth?.userId, clientIp: request.ip }, 'act of an administrator')
  return 204
}
