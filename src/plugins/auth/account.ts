import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { newId, newSecret, hashSecret } from '../../core/credential.js'
import { SessionError, SessionGoneError } from '../../core/errors.js'
import type { SessionInfo } from '../../session/manager.js'
import { UnauthenticatedError } from '../../tokens/errors.js'
import type { Identity } from '../identity.js'
import { textIn } from './body.js'
import type { AuthOperations } from './operations.js'
import type { Passwords } from './options.js'
import { identityOf, notThere, passwordChanged, routeOf, wrongCredentials } from './parts.js'
import type { AuthParts, Exchange } from './parts.js'
import { toEntry } from './session-entry.js'
import type { SessionEntry } from './session-entry.js'
import { clearCookies } from './sign-out.js'

/** What signed-in users see and do of their account: `/me`, `/sessions`, `/password`, `/reauthenticate`. */
export function accountRoutes (app: FastifyInstance, parts: AuthParts, operations: AuthOperations): void {
  const { options } = parts
  const signedIn = { onRequest: app.requireAuth }

  app.get('/me', { ...routeOf(operations.me), ...signedIn }, async (request) => {
    const identity = identityOf(request)
    const session = await sessionOf(request, identity, parts)
    return { user: await userOf(identity, parts), session: toEntry(session, identity.sessionId) }
  })

  app.get('/sessions', { ...routeOf(operations.listSessions), ...signedIn }, async (request) => await ownSessions(request, parts))

  app.delete<{ Params: { id: string } }>('/sessions/:id', { ...routeOf(operations.endSession), ...signedIn }, async (request, reply) => {
    await endOwnSession(request.params.id, { ...parts, request, reply })
    return await reply.code(204).send()
  })

  if (options.changePassword !== undefined) {
    app.post('/password', { ...routeOf(operations.changePassword), ...signedIn }, async (request, reply) => {
      await changePassword({ current: textIn(request.body, 'current'), next: textIn(request.body, 'next') }, { ...parts, request, reply })
      return await reply.code(204).send()
    })
  }

  if (options.checkPassword !== undefined) {
    app.post('/reauthenticate', { ...routeOf(operations.reauthenticate), ...signedIn }, async (request, reply) => {
      const { userId } = identityOf(request)
      if (await options.checkPassword?.(userId, textIn(request.body, 'password'), request) !== true) throw wrongCredentials()
      await reauthenticate(request, reply, parts)
      return await reply.code(204).send()
    })
  }
}

/** The sessions of whoever asks, the most recently seen first. */
export async function ownSessions (request: FastifyRequest, { manager }: AuthParts): Promise<SessionEntry[]> {
  const { userId, sessionId } = identityOf(request)
  return (await manager.list(userId)).map((info) => toEntry(info, sessionId))
}

/** Ends a session of whoever asks. @throws RequestError 404 for another user's as for nobody's */
export async function endOwnSession (id: string, { request, reply, ...parts }: Exchange): Promise<void> {
  const own = await ownSessions(request, parts)
  if (!own.some((entry) => entry.id === id)) throw notThere()
  const { userId, sessionId } = identityOf(request)
  const hasEnded = await parts.manager.end(id, id === sessionId ? 'logout' : 'ended_by_user')
  if (hasEnded) parts.options.onEnded?.({ userId, sessionId: id, spared: null }, request) // else another request has ended it, and tells
  if (id === sessionId) clearCookies(request, reply, parts)
}

/**
 * Changes the password of whoever asks, ends their other sessions and renews this one. @throws RequestError 401 `ERR_CREDENTIALS`; 503 or 409
 * `ERR_PASSWORD_CHANGED` where that alone was done; what `changePassword` throws
 */
async function changePassword (passwords: Passwords, exchange: Exchange): Promise<void> {
  await storePassword(passwords, exchange)
  try {
    await endOthersAndRenew(exchange)
  } catch (err) {
    if (!(err instanceof SessionError)) throw err
    exchange.request.log.error({ err }, 'a password is changed, and its session could not be renewed')
    throw passwordChanged(err)
  }
}

/** The first half of `changePassword`. @throws as that */
export async function storePassword (passwords: Passwords, { request, options }: Exchange): Promise<void> {
  if (await options.changePassword?.(identityOf(request).userId, passwords, request) !== true) throw wrongCredentials()
}

/** The second half of `changePassword`. @throws SessionGoneError, StoreError; the password is changed all the same */
export async function endOthersAndRenew ({ request, reply, ...parts }: Exchange): Promise<void> {
  const { userId, sessionId } = identityOf(request)
  await parts.manager.endAll(userId, { except: sessionId, reason: 'password_changed' })
  await reauthenticate(request, reply, parts)
}

/** The session that the credential names: as the request has loaded it, or, of an access token, from the store. */
async function sessionOf (request: FastifyRequest, { userId, sessionId }: Identity, { manager }: AuthParts): Promise<SessionInfo> {
  const { record = null } = manager.opened(request) ?? {}
  if (record?.id === sessionId) return record
  const found = await manager.store.get(sessionId)
  if (found === null || found.userId !== userId) throw new UnauthenticatedError(true) // ended since the token was verified
  return found
}

async function userOf ({ userId, isAdmin }: Identity, { options }: AuthParts): Promise<object> {
  if (options.findUser === undefined) return { id: userId, isAdmin }
  const user = await options.findUser(userId)
  if (user === null) throw new UnauthenticatedError(false)
  return user
}

/**
 * The user has just proved who they are: their session gets another secret (ASVS 7.2.4) and a new `authenticatedAt`. The
 * answer brings the new cookie where the request has come with the old one.
 */
async function reauthenticate (request: FastifyRequest, reply: FastifyReply, parts: AuthParts): Promise<void> {
  const { manager } = parts
  const { sessionId } = identityOf(request)
  if (manager.opened(request)?.id === sessionId) await manager.reauthenticate(request, reply)
  else await renewWithoutCookie(sessionId, parts)
}

/**
 * `reauthenticate` of a session whose client has shown an access token alone. The secret changes as it does with a cookie,
 * and nobody is given the new one: a cookie that somebody may hold must not gain by it.
 */
async function renewWithoutCookie (sessionId: string, { manager: { store, options } }: AuthParts): Promise<void> {
  const record = await store.get(sessionId)
  const renewed = record && await store.save(sessionId, record.secretHash, {
    set: {},
    unset: [],
    idleSeconds: record.maxAge ?? options.maxAge,
    renew: { id: newId(), secretHash: hashSecret(newSecret()), keep: 'all', reauthenticates: true }
  })
  if (renewed === null) throw new SessionGoneError()
}
