import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { StoreError } from '../../core/errors.js'
import { UnauthenticatedError } from '../../tokens/errors.js'
import { presentedAccessTokens, presentedRefreshTokens } from '../transport.js'
import { identityOf, NO_BODY, withBody } from './parts.js'
import type { AuthParts } from './parts.js'

/** `POST /logout`, `/logout-others` and `/logout-all`. Cookies are cleared when everything has ended, and not before. */
export function signOutRoutes (app: FastifyInstance, parts: AuthParts): void {
  const { manager, tokens, options } = parts

  app.post('/logout', withBody({ refresh_token: { type: 'string' } }), async (request, reply) => {
    for (const id of await sessionsNamedBy(request, parts)) await tokens.end(id, 'logout')
    clearCookies(request, reply, parts)
    return await reply.code(204).send()
  })

  app.post('/logout-others', { ...NO_BODY, onRequest: app.requireAuth }, async (request) => {
    const { userId, sessionId } = identityOf(request)
    return { ended: await manager.endAll(userId, { except: sessionId }) }
  })

  app.post('/logout-all', { ...NO_BODY, onRequest: app.requireAuth }, async (request, reply) => {
    const { userId } = identityOf(request)
    await options.beforeEndAll?.(userId)
    const ended = await manager.endAll(userId)
    clearCookies(request, reply, parts)
    return { ended }
  })
}

/** Has the browser drop all that it sent: the session that they belong to has ended. */
export function clearCookies (request: FastifyRequest, reply: FastifyReply, { manager, cookies }: AuthParts): void {
  manager.opened(request)?.noteEnd()
  cookies.clear(request, reply)
}

/** The sessions to which a request proves that it belongs, by whatever it carries. What is forged or has ended names none. */
async function sessionsNamedBy (request: FastifyRequest, { manager, tokens, cookies }: AuthParts): Promise<Set<string>> {
  const ids = new Set<string>()
  const session = manager.opened(request)
  if (session?.isVolatile === true) throw new StoreError('logout')
  if (session !== null && !session.isNew) ids.add(session.id)
  for (const text of presentedRefreshTokens(request, cookies)) {
    const id = tokens.sessionIdOf(text)
    if (id !== null) ids.add(id)
  }
  for (const text of presentedAccessTokens(request, cookies)) {
    try {
      ids.add((await tokens.verify(text)).sessionId)
    } catch (error) {
      if (!(error instanceof UnauthenticatedError)) throw error
    }
  }
  return ids
}
