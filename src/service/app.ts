import { randomUUID } from 'node:crypto'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { StoreError } from '../core/errors.js'
import { sessions } from '../plugins/sessions.js'
import type { Store } from '../session/store.js'
import { answerClientError } from './client-error.js'
import type { Config } from './config.js'
import type { Secret } from './config/secret.js'
import { toFastify } from './config/trust-proxy.js'
import type { Readiness } from './database.js'
import { securityHeaders } from './headers.js'
import { takeJsonOnly } from './json-body.js'
import { answerNotFound } from './not-found.js'
import { homePage } from './pages/home.js'
import { stylesheet } from './pages/stylesheet.js'
import { handleError, sendAnswer, toAnswer } from './problems.js'
import { healthRoutes } from './routes/health.js'
import { sessionRoutes } from './routes/session.js'

export interface AppParts {
  readonly config: Pick<Config, 'sessions' | 'trustProxy'>
  readonly authKeys: Secret
  /** Closed with the application. */
  readonly store: Store
  readonly readiness: Pick<Readiness, 'isReady' | 'check'>
  readonly log: FastifyBaseLogger
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `true`: answers before the service is ready, too. Default `false`. */
    always?: boolean
  }
}

/** A whole session as JSON, and room for how a client may escape it. */
const BODY_BYTES = 512 * 1024
/** For a head, and for all of a request. Who is late is looked for so often. */
const REQUEST_MS = 30_000
const CHECK_MS = 5_000
const RETRY_SECONDS = '3'

/**
 * The service as a Fastify instance that does not listen: everything is registered, in the order in which it acts.
 * What is wrong with it shows in `ready()`.
 *
 * Routes that need no session, and what is not found, stand outside the context of the sessions: they answer without
 * the store.
 */
export function buildApp ({ config, authKeys, store, readiness, log }: AppParts): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    trustProxy: toFastify(config.trustProxy),
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS, // in place of what stands in `http`
    http: { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS },
    return503OnClosing: false, // what still comes in is answered; the connection is closed with it
    genReqId: () => randomUUID(),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerClientError
  })
  app.addHook('onRequest', async (request, reply) => { reply.header('x-request-id', request.id) })
  app.register(helmet, securityHeaders(config.sessions.options.secure))
  app.addHook('onRequest', async (request, reply) => {
    if (readiness.isReady || request.routeOptions.config.always === true) return
    await sendAnswer(reply.header('retry-after', RETRY_SECONDS), notReady())
  })
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(answerNotFound(app))
  takeJsonOnly(app)
  app.register(healthRoutes, { readiness })
  app.register(stylesheet)
  app.register(async (app) => {
    const { options, encryptionKeys } = config.sessions
    await app.register(sessions, { ...options, authKey: authKeys.reveal(), ...(encryptionKeys !== undefined && { encryptionKey: encryptionKeys.reveal() }), store })
    await app.register(sessionRoutes)
    await app.register(homePage)
  })
  return app
}

function notReady () {
  const { problem, headers } = toAnswer(new StoreError('start'))
  return { problem: { ...problem, detail: 'the service is starting or its database does not answer; try again' }, headers: { ...headers, 'retry-after': RETRY_SECONDS } }
}

/** Before any hook has run: a URL that cannot be decoded, or a part of it that is too long. */
function answerFrameworkError (error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" })
  void sendAnswer(reply, toAnswer(error))
}
