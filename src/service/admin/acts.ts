import type { FastifyRequest } from 'fastify'
import { invalid, RequestError } from '../../plugins/problems.js'
import type { Manager } from '../../session/manager.js'
import type { Audit } from '../events/audit.js'
import type { RecordedKind } from '../events/event.js'
import { disableUser, logOutUser } from '../users/endings.js'
import type { UserStore } from '../users/user-store.js'

export interface ActParts {
  readonly sessions: Manager
  readonly users: UserStore
  readonly audit: Audit
}

/** Stands where no reason was given. */
const REASON = 'administrator'

/**
 * What administrators do to sessions and users, for programs and for forms alike. Who may is for a guard to say before;
 * every act is told to the audit, with who did it.
 *
 * Every act rejects with RequestError 404 where there is nothing to do it to, and with StoreError.
 */
export class AdminActs {
  readonly #parts: ActParts

  constructor (parts: ActParts) {
    this.#parts = parts
  }

  /** @throws RequestError 409 `ERR_OWN_ACCOUNT` for the session that asks; 400 `ERR_VALIDATION` for a reason with control characters */
  async blockSession (request: FastifyRequest, sessionId: string, reason: string | null): Promise<void> {
    if (reason !== null && /[\p{Cc}\p{Cs}]/u.test(reason)) throw invalid('reason', 'must not hold control characters')
    if (sessionId === request.auth?.sessionId) throw ownAccount('your own session cannot be blocked: sign out instead')
    found(await this.#parts.sessions.block(sessionId, reason ?? REASON))
    this.#tell(request, 'blockedByAdmin', { sessionId, reason })
  }

  async unblockSession (request: FastifyRequest, sessionId: string): Promise<void> {
    found(await this.#parts.sessions.unblock(sessionId))
    this.#tell(request, 'unblockedByAdmin', { sessionId })
  }

  async endSession (request: FastifyRequest, sessionId: string): Promise<void> {
    found(await this.#parts.sessions.end(sessionId))
    this.#tell(request, 'endedByAdmin', { sessionId })
  }

  /** Resolves to how many sessions have ended. */
  async logOutUser (request: FastifyRequest, userId: string): Promise<number> {
    const ended = found(await logOutUser(this.#parts.users, userId, this.#endSessions))
    this.#tell(request, 'signedOutByAdmin', { userId })
    return ended
  }

  /** Resolves to how many sessions have ended. @throws RequestError 409 `ERR_OWN_ACCOUNT` for whoever asks */
  async disableUser (request: FastifyRequest, userId: string): Promise<number> {
    if (userId === request.auth?.userId) throw ownAccount('you cannot disable yourself')
    const ended = found(await disableUser(this.#parts.users, userId, this.#endSessions, (count) => { this.#parts.audit.countEnded('ended', count) }))
    this.#tell(request, 'disabled', { userId })
    return ended
  }

  async enableUser (request: FastifyRequest, userId: string): Promise<void> {
    found(await this.#parts.users.enable(userId))
    this.#tell(request, 'enabled', { userId })
  }

  readonly #endSessions = async (userId: string): Promise<number> => await this.#parts.sessions.endAll(userId)

  #tell (request: FastifyRequest, kind: RecordedKind, facts: { readonly sessionId?: string, readonly userId?: string, readonly reason?: string | null }): void {
    this.#parts.audit.record(request, kind, { ...facts, actorId: request.auth?.userId })
  }
}

/** What an administrator must not do to themselves: nobody might be left to undo it. */
export const ownAccount = (detail: string): RequestError => new RequestError(409, 'ERR_OWN_ACCOUNT', detail)

/** @throws RequestError 404 */
function found<T> (done: T | false | null): T {
  if (done === false || done === null) throw new RequestError(404, 'ERR_NOT_FOUND', 'there is nothing here')
  return done
}
