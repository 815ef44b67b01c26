import type { FastifyPluginAsync } from 'fastify'
import type { AdminActs } from '../admin/acts.js'
import * as operations from '../openapi/admin.js'

type OfUser = { Params: { id: string } }

/**
 * For administrators: what can be done to a user. 204, and 404 where there is no such user. Sign-ins under way end
 * themselves: the stamp moves before the sessions are ended. One cannot disable oneself: 409 `ERR_OWN_ACCOUNT`.
 */
export const adminUserRoutes: FastifyPluginAsync<{ acts: AdminActs }> = async (app, { acts }) => {
  app.addHook('onRequest', app.requireAdmin)
  app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  app.post<OfUser>('/users/:id/logout', { schema: operations.logOutUser }, async (request, reply) => {
    await acts.logOutUser(request, request.params.id)
    return await reply.code(204).send()
  })

  app.post<OfUser>('/users/:id/disable', { schema: operations.disableUser }, async (request, reply) => {
    await acts.disableUser(request, request.params.id)
    return await reply.code(204).send()
  })

  app.post<OfUser>('/users/:id/enable', { schema: operations.enableUser }, async (request, reply) => {
    await acts.enableUser(request, request.params.id)
    return await reply.code(204).send()
  })
}
