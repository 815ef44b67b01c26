import type { FastifyRequest } from 'fastify'
import { invalid, RequestError } from '../../plugins/problems.js'
import { BLOCK_REASON, isBlockReason } from '../../session/block-reason.js'
import type { SessionManager } from '../../session/session-manager.js'
import type { Database } from '../../stores/postgres/query.js'
import type { Audit } from '../events/audit.js'
import type { RecordedKind } from '../events/event.js'
import type { CountedReason } from '../metrics/end-reason.js'
import { disableUser, logOutUser } from '../users/endings.js'
import type { EndSessions } from '../users/endings.js'
import type { UserStore } from '../users/user-store.js'
import { blockSession } from './block-session.js'
import type { BlockOutcome } from './block-session.js'

export interface ActParts {
  readonly database: Database
  readonly sessions: SessionManager
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

  /**
   * Of a session that is blocked already nothing changes, and nothing is told.
   *
   * @throws RequestError 409 `ERR_OWN_ACCOUNT` for the session that asks; 400 `ERR_VALIDATION` for a reason that is too long
   * or has control characters
   */
  async blockSession (request: FastifyRequest, sessionId: string, reason: string | null): Promise<BlockOutcome> {
    if (reason !== null && !isBlockReason(reason)) throw invalid('reason', `must be ${BLOCK_REASON}`)
    if (sessionId === request.auth?.sessionId) throw ownAccount('your own session cannot be blocked: sign out instead')
    const outcome = found(await blockSession(this.#parts.database, sessionId, reason ?? REASON))
    if (outcome === 'already') return outcome
    this.#tell(request, 'blockedByAdmin', { sessionId, reason })
    this.#parts.sessions.tellBlock({ sessionId, reason: reason ?? REASON })
    return outcome
  }

  async unblockSession (request: FastifyRequest, sessionId: string): Promise<void> {
    found(await this.#parts.sessions.unblock(sessionId))
    this.#tell(request, 'unblockedByAdmin', { sessionId })
  }

  async endSession (request: FastifyRequest, sessionId: string): Promise<void> {
    found(await this.#parts.sessions.end(sessionId, 'ended_by_admin'))
    this.#tell(request, 'endedByAdmin', { sessionId })
  }

  /** Resolves to how many sessions have ended. */
  async logOutUser (request: FastifyRequest, userId: string): Promise<number> {
    const ended = found(await logOutUser(this.#parts.users, userId, this.#endSessions('ended_by_admin')))
    this.#tell(request, 'signedOutByAdmin', { userId })
    return ended
  }

  /** Resolves to how many sessions have ended. @throws RequestError 409 `ERR_OWN_ACCOUNT` for whoever asks */
  async disableUser (request: FastifyRequest, userId: string): Promise<number> {
    if (userId === request.auth?.userId) throw ownAccount('you cannot disable yourself')
    const ended = found(await disableUser(this.#parts.users, userId, this.#endSessions('disabled'), (count) => { this.#parts.audit.countEnded('disabled', count) }))
    this.#tell(request, 'disabled', { userId })
    return ended
  }

  async enableUser (request: FastifyRequest, userId: string): Promise<void> {
    found(await this.#parts.users.enable(userId))
    this.#tell(request, 'enabled', { userId })
  }

  #endSessions (reason: CountedReason): EndSessions {
    return async (userId) => await this.#parts.sessions.endAll(userId, { reason })
  }

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
