import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Manager } from '../../session/manager.js'
import { openedSession } from '../../session/opened.js'

interface Answering {
  readonly request: FastifyRequest
  /** With which it came, and whose it was then: both are gone once it has ended. `null`: it came without. */
  readonly session: { readonly id: string, readonly userId: string | null } | null
}

/** The request in which something happens: what sessions and tokens tell of themselves does not name it. */
export class CurrentRequest {
  readonly #storage = new AsyncLocalStorage<Answering>()

  /** From the validation of a request on, which is before its handler. After the sessions, before the routes. */
  watch (app: Pick<FastifyInstance, 'addHook'>, sessions: Manager): void {
    app.addHook('preValidation', (request, _reply, done) => {
      const opened = openedSession(request, sessions)
      const session = opened === null || opened.isNew ? null : { id: opened.id, userId: opened.userId }
      this.#storage.run({ request, session }, done)
    })
  }

  /** `null`: it happens in none. */
  get request (): FastifyRequest | null { return this.#storage.getStore()?.request ?? null }

  /** Whose session this is, as far as the request knows: `null` a visitor's, `undefined` not known. */
  ownerOf (sessionId: string): string | null | undefined {
    const { request, session = null } = this.#storage.getStore() ?? {}
    if (session?.id === sessionId) return session.userId
    return request?.auth?.sessionId === sessionId ? request.auth.userId : undefined
  }
}
