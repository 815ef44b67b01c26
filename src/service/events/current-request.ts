import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isUnsafe } from '../../session/cross-site.js'
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
  /** While there is one, every promise of the process costs more: the storage is on for these alone. */
  readonly #watched = new Set<FastifyRequest>()

  /**
   * From the validation of a request on, which is before its handler, until its session is saved. Of those alone that can
   * end or begin a session of a user. After the sessions, before the routes.
   */
  watch (app: Pick<FastifyInstance, 'addHook'>, sessions: Manager): void {
    app.addHook('preValidation', (request, _reply, done) => {
      if (!canTell(request)) { done(); return }
      const opened = openedSession(request, sessions)
      const session = opened === null || opened.isNew ? null : { id: opened.id, userId: opened.userId }
      this.#watched.add(request)
      this.#storage.run({ request, session }, done)
    })
    app.addHook('onSend', (request, _reply, payload, done) => { this.#leave(request); done(null, payload) }) // after that of the sessions, which saves
    // of an answer that a hook has spoilt; one whose client has gone is made all the same, and saved
    app.addHook('onResponse', (request, reply, done) => {
      if (reply.raw.writableFinished) this.#leave(request)
      done()
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

  #leave (request: FastifyRequest): void {
    if (this.#watched.delete(request) && this.#watched.size === 0) this.#storage.disable()
  }
}

/** A safe request ends and begins nothing, and PATCH changes the values of a session alone. */
const canTell = ({ method }: FastifyRequest): boolean => isUnsafe(method) && method !== 'PATCH'
