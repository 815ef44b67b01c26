import cookie from '@fastify/cookie'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { SessionError } from '../core/errors.js'
import { parseKeys, rejectSharedKeys } from '../core/keys.js'
import type { KeysOption } from '../core/keys.js'
import { flag, oneOf, rejectUnknown, show } from '../core/options.js'
import type { Manager } from '../session/manager.js'
import { OPENED } from '../session/opened.js'
import { checkStore } from '../session/check-store.js'
import { MANAGER_OPTIONS, resolveManagerOptions } from '../session/options.js'
import type { ManagerOptions } from '../session/options.js'
import type { Session } from '../session/session.js'
import { SessionManager } from '../session/session-manager.js'
import type { Store } from '../session/store.js'
import { replaceAnswer } from './failed-save.js'
import { isLogged } from './logged-errors.js'
import { optOuts } from './opt-outs.js'
import { createSealer } from './sealer.js'
import { unwrapResponse } from './unwrap-response.js'

/** Options of the plugin. */
export interface SessionsOptions extends Omit<ManagerOptions, 'sealer' | 'log'> {
  /** Where sessions are kept. Required: there is no hidden default in memory. Closed with the application. */
  readonly store: Store
  /** 32-byte keys, newest first: the cookie is sealed as well as signed. Default: none, signed alone. */
  readonly encryptionKey?: KeysOption
  /** The request property that holds the session. Default 'session'. */
  readonly decorator?: string
}

declare module 'fastify' {
  interface FastifyInstance { readonly sessions: Manager }
  interface FastifyRequest {
    /** `null` on a route with `config: { session: false }`, unless it has started one by hand; `getSession(request)` throws there. */
    session: Session
  }
  interface FastifyContextConfig {
    /** `false`: this route has no session, and costs nothing. Default `true`. */
    session?: boolean
    /** As the option of the plugin, for this route. */
    onStoreError?: 'fail' | 'anonymous'
  }
}

/** The door for Fastify: two decorators and two hooks over a Manager. */
const plugin: FastifyPluginAsync<SessionsOptions> = async (fastify, options) => {
  const decorator = options.decorator ?? 'session'
  if (fastify.hasDecorator('sessions')) throw new TypeError('sessions: the plugin is registered already; register it once, or in contexts of their own')
  if (fastify.hasRequestDecorator(decorator)) throw new TypeError(`sessions: request.${decorator} is taken; choose another "decorator"`)
  const manager = await createManagerFor(fastify.log, options)
  if (!fastify.hasPlugin('@fastify/cookie')) await fastify.register(cookie)

  fastify.decorate('sessions', manager)
  fastify.decorateRequest(decorator, {
    getter () { return manager.opened(this) },
    // whoever assigns to it, as a nested plugin does that declares the same name, has its own from then on
    setter (value) { Object.defineProperty(this, decorator, { value, writable: true, enumerable: true, configurable: true }) }
  })
  fastify.decorateRequest(OPENED, null)

  const hasOptedOut = optOuts(fastify)
  fastify.addHook('onRoute', ({ config = {}, url }) => {
    if (config.session !== undefined) flag(`config.session of ${url}`, config.session)
    if (config.onStoreError !== undefined) oneOf(`config.onStoreError of ${url}`, config.onStoreError, ['fail', 'anonymous'])
  })
  fastify.addHook('onRequest', (request, reply, done) => {
    if (hasOptedOut(request)) { done(); return }
    let session
    try {
      session = manager.open(request, reply)
    } catch (error) {
      refuse(reply, error, done)
      return
    }
    if (session instanceof Promise) session.then(() => { done() }, (error: unknown) => { refuse(reply, error, done) })
    else done()
  })

  fastify.addHook('onSend', (request, reply, given, done) => {
    const payload = unwrapResponse(reply, given)
    let saving
    try {
      saving = manager.settle(request, reply)
    } catch (error) {
      drop(reply, payload, error, done)
      return
    }
    if (saving === undefined) done(null, payload)
    else saving.then(() => { done(null, payload) }, (error: unknown) => { drop(reply, payload, error, done) })
  })

  fastify.addHook('onClose', async () => { await manager.close() })
}

/**
 * The plugin. Decorates `fastify.sessions`, the Manager, and `request.session`, the Session. Registers @fastify/cookie
 * unless the application has.
 *
 * @throws TypeError at registration, naming the option that is wrong and never a secret
 */
export const sessions = fp(plugin, { name: 'silverback', fastify: '5.x' })

const OPTIONS = [...MANAGER_OPTIONS.filter((name) => name !== 'sealer' && name !== 'log'), 'store', 'encryptionKey', 'decorator']

async function createManagerFor (log: ManagerOptions['log'], options: SessionsOptions): Promise<SessionManager> {
  rejectUnknown('sessions', options, OPTIONS)
  const { store, encryptionKey, decorator, ...rest } = options
  checkStore(store)
  if ('encryptionKey' in options && encryptionKey === undefined) throw new TypeError('"encryptionKey" option is undefined: leave it out for cookies that are signed and not sealed')
  if (decorator !== undefined && !/^[A-Za-z_$][\w$]*$/.test(decorator)) throw new TypeError(`"decorator" option must be a property name; got ${show(decorator)}`)
  const resolved = resolveManagerOptions(rest)
  const { cookieName, absoluteMaxAge } = resolved
  if (encryptionKey !== undefined) rejectSharedKeys('authKey', resolved.authKeys, 'encryptionKey', parseKeys('encryptionKey', encryptionKey))
  const sealer = encryptionKey === undefined ? undefined : await createSealer({ encryptionKey, cookieName, absoluteMaxAge })
  return new SessionManager(store, { ...resolved, sealer, log })
}

/** The session was not saved: what the handler has answered is not true. */
function drop (reply: FastifyReply, payload: unknown, error: unknown, done: (error: Error | null, payload?: unknown) => void): void {
  if (!(error instanceof SessionError)) { done(error as Error); return } // a bug, and Fastify's to answer
  if (!isLogged(error)) reply.log.error({ err: error }, 'the session could not be saved; the answer is dropped')
  done(null, replaceAnswer(reply, payload, error))
}

function refuse (reply: FastifyReply, error: unknown, done: (error?: Error) => void): void {
  if (!(error instanceof SessionError)) { done(error as Error); return } // a bug, and Fastify's to answer
  if (error.statusCode >= 500) reply.log.error({ err: error }, 'the session could not be loaded')
  reply.send(replaceAnswer(reply, undefined, error))
}
