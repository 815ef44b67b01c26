import { randomUUID } from 'node:crypto'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { StoreError } from '../core/errors.js'
import { parseKeys } from '../core/keys.js'
import { startTimer } from '../core/timer.js'
import { authParts } from '../plugins/auth/parts.js'
import { takeJsonOnly } from '../plugins/json-body.js'
import { serializePlainly } from '../plugins/operation.js'
import { handleError, sendAnswer, toAnswer } from '../plugins/problems.js'
import { sessions } from '../plugins/sessions.js'
import { tokens } from '../plugins/tokens.js'
import { CLEANUP_INTERVAL } from '../session/options.js'
import type { Store } from '../session/store.js'
import type { Database } from '../stores/postgres/query.js'
import type { TokenStore } from '../tokens/store.js'
import { AdminActs } from './admin/acts.js'
import { answerClientError } from './client-error.js'
import type { Config } from './config.js'
import type { Secret } from './config/secret.js'
import { toFastify } from './config/trust-proxy.js'
import type { Readiness } from './database.js'
import { warned } from './database/health.js'
import type { Sources } from './metrics/families.js'
import { securityHeaders } from './headers.js'
import { answerUnreadable, notFound, unreadableUrl } from './not-found.js'
import { Observer } from './observe.js'
import { openApi } from './openapi/openapi.js'
import { documentPage } from './openapi/page.js'
import { csrfCookieKeys } from './pages/csrf.js'
import { pages } from './pages/pages.js'
import { views } from './pages/views.js'
import { adminSessionRoutes } from './routes/admin-sessions.js'
import { adminUserRoutes } from './routes/admin-users.js'
import { serviceAuthRoutes } from './routes/auth.js'
import { healthRoutes } from './routes/health.js'
import { keySetRoute } from './routes/key-set.js'
import { metricsRoute } from './routes/metrics.js'
import { sessionRoutes } from './routes/session.js'
import { KnownDevices } from './throttle/known-device.js'
import { Throttle } from './throttle/throttle.js'
import { Accounts } from './users/accounts.js'
import { Argon2Hasher } from './users/password-hasher.js'
import type { PasswordHasher } from './users/password-hasher.js'
import { UserStore } from './users/user-store.js'

export interface AppParts {
  readonly config: Pick<Config, 'isProduction' | 'sessions' | 'tokens' | 'users' | 'operation' | 'trustProxy'>
  readonly authKeys: Secret
  readonly tokenKeys: { readonly signingKeys: Secret, readonly refreshKeys: Secret }
  /** Closed with the application. */
  readonly store: Store
  /** Closed with the application. */
  readonly tokenStore: TokenStore
  /** For what is the service's own: users, throttle, lists of administrators, events, statistics. */
  readonly database: Database
  /** Measured for `/metrics`. Default: none. */
  readonly pools?: ReturnType<Sources['pools']>
  /** Default: Argon2id with today's parameters. */
  readonly hasher?: PasswordHasher
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
/** In a path: the id of a user, 256 characters of other applications at most, each of them escaped. */
const LONGEST_PARAMETER = 256 * 9
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
export function buildApp (parts: AppParts): FastifyInstance {
  const { config, readiness, log } = parts
  const app = Fastify({
    loggerInstance: log,
    trustProxy: toFastify(config.trustProxy),
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS, // in place of what stands in `http`
    http: { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS },
    return503OnClosing: false, // what still comes in is answered; the connection is closed with it
    genReqId: (raw) => unreadableUrl(raw)?.id ?? randomUUID(),
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    frameworkErrors (error, { id, raw }, reply) { answerUnreadable(app, { error, id }, raw, reply.raw) },
    clientErrorHandler: answerClientError
  })
  app.addHook('onRequest', async (request, reply) => { reply.header('x-request-id', request.id) })
  const observer = observe(app, parts)
  app.register(helmet, securityHeaders(config.sessions.options.secure))
  app.addHook('onRequest', async (request, reply) => {
    if (readiness.isReady || request.routeOptions.config.always === true) return
    await sendAnswer(reply.header('retry-after', RETRY_SECONDS), notReady())
  })
  app.setErrorHandler(handleError)
  takeJsonOnly(app)
  serializePlainly(app)
  app.register(openApi, { options: config.sessions.options })
  app.register(healthRoutes, { readiness: { check: async () => warned(await readiness.check(), observer.feedFault) } })
  app.register(views)
  app.register(documentPage)
  app.register(notFound)
  if (observer.metrics !== null) app.register(metricsRoute, { metrics: observer.metrics })
  app.register(async (app) => { await registerSessions(app, parts, observer) })
  return app
}

/** Begins to keep what happens. Closed last: what the others tell while they close is kept, too. */
function observe (app: FastifyInstance, { config, database, pools = {}, readiness, log }: AppParts): Observer {
  const { operation: { metrics, eventRetention }, sessions: { options } } = config
  const observer = new Observer({ database, isReady: () => readiness.isReady, hasMetrics: metrics, pools, log })
  app.decorate('audit', observer.audit)
  observer.watchRequests(app)
  app.addHook('onClose', async () => { await observer.close() })
  const retention = { retentionSeconds: eventRetention }
  startCleanup(app, options.cleanupInterval, 'old events and statistics', async (signal) => {
    if (!readiness.isReady) return
    await observer.events.cleanup({ ...retention, signal })
    await observer.statistics.cleanup({ ...retention, signal })
  })
  return observer
}

/** Works in the background as often as the cleanup of sessions does; 0: never. */
function startCleanup (app: FastifyInstance, everySeconds = CLEANUP_INTERVAL, what: string, work: (signal: AbortSignal) => Promise<void>): void {
  if (everySeconds === 0) return
  const timer = startTimer({ everySeconds, work, onError: (err) => { app.log.warn({ err }, `${what} could not be cleaned up; the next run tries again`) } })
  app.addHook('onClose', async () => { await timer.stop() })
}

/** What has sessions: the library's plugins, the routes on them, and the users. */
async function registerSessions (app: FastifyInstance, { config, authKeys, tokenKeys, store, tokenStore, database, hasher = new Argon2Hasher() }: AppParts, observer: Observer): Promise<void> {
  const { options, encryptionKeys } = config.sessions
  const { rateLimit: isOn, adminEmails, clearSiteData } = config.users
  const keys = parseKeys('SESSION_AUTH_KEYS', authKeys.reveal())
  const [key = Buffer.alloc(0)] = keys // there is one at least
  const throttle = new Throttle({ database, audit: observer.audit, key, isOn, exemptsLoopback: !config.isProduction })
  const users = new UserStore(database)
  const accounts = new Accounts({ users, hasher, throttle, devices: new KnownDevices({ keys, secure: options.secure }), adminEmails, audit: observer.audit })

  await app.register(cookie, { secret: csrfCookieKeys(keys) }) // of the forms alone: the other cookies are signed by those that make them
  await app.register(sessions, { ...options, authKey: authKeys.reveal(), ...(encryptionKeys !== undefined && { encryptionKey: encryptionKeys.reveal() }), store })
  await app.register(tokens, { ...config.tokens.options, signingKeys: tokenKeys.signingKeys.reveal(), refreshKey: tokenKeys.refreshKeys.reveal(), store: tokenStore })
  observer.watchSessions(app)
  const acts = new AdminActs({ database, sessions: authParts(app, accounts).manager, users, audit: observer.audit })
  await app.register(keySetRoute)
  await app.register(sessionRoutes, { throttle })
  await app.register(serviceAuthRoutes, { prefix: '/auth', accounts, users, throttle, minGenerationAge: config.tokens.options.minGenerationAge, clearSiteData })
  await app.register(adminSessionRoutes, { prefix: '/admin', database, acts })
  await app.register(adminUserRoutes, { prefix: '/admin', acts })
  await app.register(pages, { accounts, key, clearSiteData, admin: { database, users, acts, events: observer.events, statistics: observer.statistics } })

  if (isOn) startCleanup(app, options.cleanupInterval, 'counted attempts', async (signal) => { await throttle.cleanup(signal) })
}

function notReady () {
  const { problem, headers } = toAnswer(new StoreError('start'))
  return { problem: { ...problem, detail: 'the service is starting or its database does not answer; try again' }, headers: { ...headers, 'retry-after': RETRY_SECONDS } }
}
