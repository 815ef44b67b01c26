import type { FastifyInstance } from 'fastify'
import { readRefreshToken, sendTokens } from '../transport.js'
import type { AuthOperations } from './operations.js'
import { routeOf } from './parts.js'
import type { AuthParts } from './parts.js'

/** `POST /refresh` and `POST /revoke`: what a refresh token is for. */
export function tokenRoutes (app: FastifyInstance, { options, tokens, manager, cookies }: AuthParts, operations: AuthOperations): void {
  // no answer of it deletes a cookie: the loser of a race would wipe what the winner has just set
  app.post('/refresh', routeOf(operations.refresh), async (request, reply) => {
    const { token, transport } = readRefreshToken(request, cookies)
    await options.beforeRefresh?.(tokens.sessionIdOf(token), request)
    const pair = await tokens.refresh(token, request, { noEvidence: transport === 'hybrid' })
    return sendTokens(reply, pair, transport, cookies)
  })

  app.post('/revoke', routeOf(operations.revoke), async (request, reply) => {
    const { token, transport } = readRefreshToken(request, cookies)
    const sessionId = tokens.sessionIdOf(token)
    await tokens.revoke(token)
    if (sessionId !== null) {
      const session = manager.opened(request)
      if (session?.id === sessionId) session.noteEnd()
      if (transport === 'cookie') cookies.clear(request, reply)
    }
    return await reply.code(204).send()
  })
}
