import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { StoreError } from '../../core/errors.js'
import { presentedAccessTokens, presentedRefreshTokens } from '../transport.js'
import type { AuthOperations } from './operations.js'
import { identityOf, routeOf } from './parts.js'
import type { AuthParts, Exchange } from './parts.js'

/** `POST /logout`, `/logout-others` and `/logout-all`. Cookies are cleared when everything has ended, and not before. */
export function signOutRoutes (app: FastifyInstance, parts: AuthParts, operations: AuthOperations): void {
  const { manager, options } = parts

  app.post('/logout', routeOf(operations.logout), async (request, reply) => {
    await signOut({ ...parts, request, reply })
    return await reply.code(204).send()
  })

  app.post('/logout-others', { ...routeOf(operations.logoutOthers), onRequest: app.requireAuth }, async (request) =>
    ({ ended: await signOutOthers(request, parts) }))

  app.post('/logout-all', { ...routeOf(operations.logoutAll), onRequest: app.requireAuth }, async (request, reply) => {
    const { userId } = identityOf(request)
    await options.beforeEndAll?.(userId)
    const ended = await manager.endAll(userId, { reason: 'ended_by_user' })
    if (ended > 0) options.onEnded?.({ userId, sessionId: null, spared: null }, request)
    clearCookies(request, reply, parts)
    return { ended }
  })
}

/** Ends the session of a request, by whatever it proves to belong to it. @throws StoreError; the cookies stay then */
export async function signOut ({ request, reply, ...parts }: Exchange): Promise<void> {
  for (const id of await sessionsNamedBy(request, parts)) await parts.tokens.end(id, 'logout')
  const session = parts.manager.opened(request)
  if (session?.isNew === true) await session.destroy() // its cookie may be that of one that is blocked
  clearCookies(request, reply, parts)
}

/** Ends all other sessions of the user; resolves to their number. */
export async function signOutOthers (request: FastifyRequest, { manager, options }: AuthParts): Promise<number> {
  const { userId, sessionId } = identityOf(request)
  const ended = await manager.endAll(userId, { except: sessionId, reason: 'ended_by_user' })
  if (ended > 0) options.onEnded?.({ userId, sessionId: null, spared: sessionId }, request)
  return ended
}

/** Has the browser drop all that it sent, and what the option lists: the session that they belong to has ended. */
export function clearCookies (request: FastifyRequest, reply: FastifyReply, { manager, cookies, siteData }: AuthParts): void {
  manager.opened(request)?.noteEnd()
  cookies.clear(request, reply)
  if (siteData !== '') reply.header('clear-site-data', siteData)
}

/**
 * The sessions to which a request proves that it belongs, by whatever it carries, those that are blocked among them: a block
 * that is lifted later must not sign in who has signed out. What is forged, and an access token that has expired, names none.
 */
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
    const id = await tokens.sessionIdOfAccess(text)
    if (id !== null) ids.add(id)
  }
  return ids
}
