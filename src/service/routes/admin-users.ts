import type { FastifyPluginAsync } from 'fastify'
import type { UserStore } from '../users/user-store.js'
import { ownAccount, told } from './admin-sessions.js'

type OfUser = { Params: { id: string } }

/**
 * For administrators: what can be done to a user. 204, and 404 where there is no such user. Sign-ins under way end
 * themselves: the stamp moves before the sessions are ended. One cannot disable oneself: 409 `ERR_OWN_ACCOUNT`.
 */
export const adminUserRoutes: FastifyPluginAsync<{ users: UserStore }> = async (app, { users }) => {
  app.addHook('onRequest', app.requireAdmin)
  app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  const ending = async (id: string, move: (id: string) => Promise<boolean>): Promise<boolean> => {
    if (!await move(id)) return false
    await app.sessions.endAll(id)
    return true
  }

  app.post<OfUser>('/users/:id/logout', async (request, reply) =>
    await reply.code(told(request, 'logout', await ending(request.params.id, async (id) => await users.moveStamp(id)))).send())

  app.post<OfUser>('/users/:id/disable', async (request, reply) => {
    if (request.params.id === request.auth?.userId) throw ownAccount('you cannot disable yourself')
    return await reply.code(told(request, 'disable', await ending(request.params.id, async (id) => await users.disable(id)))).send()
  })

  app.post<OfUser>('/users/:id/enable', async (request, reply) =>
    await reply.code(told(request, 'enable', await users.enable(request.params.id))).send())
}
