import type { FastifyInstance, FastifyReply, onSendHookHandler } from 'fastify'
import { NoSessionError, SessionGoneError } from '../../core/errors.js'
import { dropSetCookie } from '../../session/http.js'
import { invalid } from '../problems.js'
import { sendTokens } from '../transport.js'
import type { TokenBody } from '../transport.js'
import { choiceIn, flagIn, textIn } from './body.js'
import type { AuthOperations } from './operations.js'
import type { AuthUser, Credentials } from './options.js'
import { routeOf, signInEnded, userExists, wrongCredentials } from './parts.js'
import type { AuthParts, Exchange } from './parts.js'
import { TRANSPORTS } from './schemas.js'
import { toEntry } from './session-entry.js'
import type { SessionEntry } from './session-entry.js'

/** How a user wants to be signed in. */
export interface Wish {
  readonly transport: typeof TRANSPORTS[number]
  /** `undefined`: as long as the manager's sessions live. */
  readonly remember: boolean | undefined
}

export interface SignedIn extends Partial<TokenBody> {
  readonly user: object
  readonly session: SessionEntry
}

/** Seconds that a session lives unseen which its user asked to be remembered: 30 days. */
const REMEMBERED = 30 * 24 * 60 * 60

/** `POST /login`, and `POST /register` where users can be made. */
export function signInRoutes (app: FastifyInstance, parts: AuthParts, operations: AuthOperations): void {
  const { options } = parts
  const onSend = keepCookiesOnFailure(parts)

  app.post('/login', { ...routeOf(operations.login), onSend }, async (request, reply) =>
    await logIn(credentialsOf(request.body), wishOf(request.body), { ...parts, request, reply }))

  if (options.register === undefined) return
  app.post('/register', { ...routeOf(operations.register), onSend }, async (request, reply) => {
    const answer = await register(credentialsOf(request.body), wishOf(request.body), { ...parts, request, reply })
    reply.code(201)
    return answer
  })
}

/** Signs in whoever these credentials are of. @throws RequestError 401 `ERR_CREDENTIALS`; what `authenticate` throws */
export async function logIn (credentials: Credentials, wish: Wish, exchange: Exchange): Promise<SignedIn> {
  const user = await exchange.options.authenticate(credentials, exchange.request)
  if (user === null) throw wrongCredentials()
  return await signIn(user, wish, exchange)
}

/** Makes a user and signs them in. @throws RequestError 409 `ERR_USER_EXISTS`; what `register` throws */
export async function register (credentials: Credentials, wish: Wish, exchange: Exchange): Promise<SignedIn> {
  const user = await exchange.options.register?.(credentials, exchange.request) ?? null
  if (user === null) throw userExists()
  return await signIn(user, wish, exchange)
}

/**
 * An onSend hook: a sign-in that failed changes no cookie. One answer, whatever was wrong. The session that the browser had
 * lives on, unless the sign-in failed only after its own was stored.
 */
export function keepCookiesOnFailure (parts: AuthParts): onSendHookHandler {
  return (_request, reply, payload, done) => {
    if (reply.statusCode >= 400) dropCookies(reply, parts)
    done(null, payload)
  }
}

/** What a proxy, or a client that is refused, has no use for. */
export function dropCookies (reply: FastifyReply, { manager, cookies }: AuthParts): void {
  for (const name of [manager.options.cookieName, cookies.accessName, cookies.refreshName]) dropSetCookie(reply, name)
}

/** Begins a session of this user, always a new one, and a lineage unless the transport is `none`. */
async function signIn (user: AuthUser, wish: Wish, { options, tokens, manager, cookies, request, reply }: Exchange): Promise<SignedIn> {
  const session = manager.opened(request)
  if (session === null) throw new NoSessionError()
  const profile = await profileOf(user, options)
  session.setUserId(user.id, user.claims)
  if (wish.remember !== undefined) session.options({ maxAge: wish.remember ? REMEMBERED : null })
  await session.save()
  try {
    if (await options.confirmSignIn?.(user, request) === false) throw wrongCredentials()
    cookies.clear(request, reply) // of another sign-in: they would contradict this one
    const { transport } = wish
    const body = transport === 'none' ? {} : sendTokens(reply, await tokens.issue(request, { noEvidence: transport === 'hybrid' }), transport, cookies)
    // under a limit another sign-in may have ended it: a dead cookie must not take the place of that one's. A reload would drop what confirmSignIn has set
    if (transport === 'none' && manager.options.maxSessionsPerUser > 0) await (session.isModified() ? session.save() : session.reload())
    const { record } = session
    if (record === null) throw new SessionGoneError()
    return { user: profile, session: toEntry(record, record.id), ...body }
  } catch (error) {
    await session.destroy().catch((err: unknown) => { request.log.warn({ err, sessionId: session.id }, 'the session of a sign-in that failed could not be ended; nobody has its cookie') })
    throw error instanceof SessionGoneError ? signInEnded() : error
  }
}

async function profileOf ({ id, claims, profile }: AuthUser, { findUser }: AuthParts['options']): Promise<object> {
  if (profile !== undefined) return profile
  if (findUser === undefined) return { id, isAdmin: claims?.isAdmin === true }
  const found = await findUser(id)
  if (found === null) throw wrongCredentials()
  return found
}

function credentialsOf (body: unknown): Credentials {
  return { email: textIn(body, 'email'), password: textIn(body, 'password') }
}

function wishOf (body: unknown): Wish {
  const transport = choiceIn(body, 'transport', TRANSPORTS) ?? 'body'
  const remember = flagIn(body, 'remember')
  if (remember !== undefined && transport !== 'none') throw invalid('remember', 'goes with the transport "none" alone')
  return { transport, remember }
}
