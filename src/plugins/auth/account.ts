import type { FastifyInstance, FastifyRequest } from 'fastify'
import { newId, newSecret, hashSecret } from '../../core/credential.js'
import { SessionGoneError } from '../../core/errors.js'
import type { SessionInfo } from '../../session/manager.js'
import { UnauthenticatedError } from '../../tokens/errors.js'
import type { Identity } from '../identity.js'
import { RequestError } from '../problems.js'
import { textIn } from './body.js'
import { identityOf, NO_BODY, withBody, wrongCredentials } from './parts.js'
import type { AuthParts } from './parts.js'
import { toEntry } from './session-entry.js'
import { clearCookies } from './sign-out.js'

const TEXT = { type: 'string', minLength: 1 }

/** What signed-in users see and do of their account: `/me`, `/sessions`, `/password`, `/reauthenticate`. */
export function accountRoutes (app: FastifyInstance, parts: AuthParts): void {
  const { options, manager } = parts
  const signedIn = { onRequest: app.requireAuth }

  app.get('/me', signedIn, async (request) => {
    const identity = identityOf(request)
    const session = await sessionOf(request, identity, parts)
    return { user: await userOf(identity, parts), session: toEntry(session, identity.sessionId) }
  })

  app.get('/sessions', signedIn, async (request) => {
    const { userId, sessionId } = identityOf(request)
    return (await manager.list(userId)).map((info) => toEntry(info, sessionId))
  })

  app.delete<{ Params: { id: string } }>('/sessions/:id', { ...NO_BODY, ...signedIn }, async (request, reply) => {
    const { userId, sessionId } = identityOf(request)
    const { id } = request.params
    // of another user's as of nobody's: whose it is, is nobody's business
    if (!(await manager.list(userId)).some((own) => own.id === id)) throw new RequestError(404, 'ERR_NOT_FOUND', 'there is nothing here')
    await manager.end(id)
    if (id === sessionId) clearCookies(request, reply, parts)
    return await reply.code(204).send()
  })

  if (options.changePassword !== undefined) {
    app.post('/password', { ...withBody({ current: TEXT, next: TEXT }, ['current', 'next']), ...signedIn }, async (request, reply) => {
      const { userId, sessionId } = identityOf(request)
      const passwords = { current: textIn(request.body, 'current'), next: textIn(request.body, 'next') }
      if (await options.changePassword?.(userId, passwords, request) !== true) throw wrongCredentials()
      await manager.endAll(userId, { except: sessionId })
      return await reply.code(204).send()
    })
  }

  if (options.checkPassword !== undefined) {
    app.post('/reauthenticate', { ...withBody({ password: TEXT }, ['password']), ...signedIn }, async (request, reply) => {
      const { userId, sessionId } = identityOf(request)
      if (await options.checkPassword?.(userId, textIn(request.body, 'password'), request) !== true) throw wrongCredentials()
      if (manager.opened(request)?.id === sessionId) await manager.reauthenticate(request, reply)
      else await renewWithoutCookie(sessionId, parts)
      return await reply.code(204).send()
    })
  }
}

/** The session that the credential names: as the request has loaded it, or, of an access token, from the store. */
async function sessionOf (request: FastifyRequest, { userId, sessionId }: Identity, { manager }: AuthParts): Promise<SessionInfo> {
  const { record = null } = manager.opened(request) ?? {}
  if (record?.id === sessionId) return record
  const found = (await manager.list(userId)).find(({ id }) => id === sessionId)
  if (found === undefined) throw new UnauthenticatedError(true) // ended since the token was verified
  return found
}

async function userOf ({ userId, isAdmin }: Identity, { options }: AuthParts): Promise<object> {
  if (options.findUser === undefined) return { id: userId, isAdmin }
  const user = await options.findUser(userId)
  if (user === null) throw new UnauthenticatedError(false)
  return user
}

/**
 * Renews `authenticatedAt` of a session whose client has shown an access token alone. The secret changes as it does with a
 * cookie (ASVS 7.2.4), and nobody is given the new one: a cookie that somebody may hold must not gain by it.
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
