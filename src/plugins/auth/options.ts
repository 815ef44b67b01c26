import type { FastifyRequest } from 'fastify'
import { rejectUnknown, show } from '../../core/options.js'
import type { Claims } from '../../session/store.js'
import type { JsonSchema } from '../operation.js'
import type { RequestError } from '../problems.js'

/** What a user signs in with. Both are text, of whatever form. */
export interface Credentials {
  readonly email: string
  readonly password: string
}

/** A change of password. */
export interface Passwords {
  readonly current: string
  readonly next: string
}

/** A user who has proved who they are. */
export interface AuthUser {
  /** 1 to 256 characters without control characters. */
  readonly id: string
  /** Stand on the session row, and in access tokens. Default: none. */
  readonly claims?: Claims
  /** What answers tell as `user`. Default: what `findUser` resolves to. */
  readonly profile?: object
}

/** Sessions that a user has ended, other than by signing out of the one that asked. */
export interface EndedSessions {
  readonly userId: string
  /** The one that was named, in a list of devices; `null`: several. */
  readonly sessionId: string | null
  /** Of several, the one that lives on; `null`: none. */
  readonly spared: string | null
}

/** What the header `Clear-Site-Data` can name. */
export type SiteData = 'cache' | 'cookies' | 'executionContexts' | 'storage'
const SITE_DATA: readonly SiteData[] = ['cache', 'cookies', 'executionContexts', 'storage']

/** What a document of the API (OpenAPI) says that the application alone knows. It changes no request and no answer. */
export interface AuthDocument {
  /** The JSON Schema of `user` in answers. Default: any object. */
  readonly user?: JsonSchema
  /** What the callbacks throw, by the operationId of the route: such as `{ login: [tooManyAttempts] }`. Default: nothing. */
  readonly refusals?: Readonly<Record<string, readonly RequestError[]>>
}

/**
 * Options of the auth routes. Callbacks refuse with a `RequestError` of their own status and code, such as 429 with
 * `retry-after`; whatever else they throw is a 500 without details.
 */
export interface AuthRoutesOptions {
  /** Checks a sign-in. `null`: 401, the same whatever was wrong; take the same time for it. The place to throttle. */
  authenticate (credentials: Credentials, request: FastifyRequest): Promise<AuthUser | null>
  /** Makes a user, who is signed in at once. `null`: 409 `ERR_USER_EXISTS`. Without it there is no `POST /register`. */
  register? (credentials: Credentials, request: FastifyRequest): Promise<AuthUser | null>
  /**
   * Changes a password; `false`: the current one is not right. All other sessions of the user are ended then, and that of
   * the request is renewed as by `POST /reauthenticate`. Without it there is no `POST /password`.
   */
  changePassword? (userId: string, passwords: Passwords, request: FastifyRequest): Promise<boolean>
  /**
   * Whether this is the user's password. The session of the request has another secret then, of which the answer brings the
   * cookie, and a new `authenticatedAt`. Without it there is no `POST /reauthenticate`.
   */
  checkPassword? (userId: string, password: string, request: FastifyRequest): Promise<boolean>
  /** What answers tell as `user`; `null`: there is no such user any more, 401. Default `{ id, isAdmin }`. */
  findUser? (userId: string): Promise<object | null>
  /**
   * Asked once the session is stored: whether the sign-in still holds. `false` ends the session, and the sign-in fails. So
   * a password that changed while the old one was checked, and a logout everywhere, miss no session.
   */
  confirmSignIn? (user: AuthUser, request: FastifyRequest): Promise<boolean>
  /** Called before all sessions of a user are ended: what makes `confirmSignIn` refuse from now on is done here. What throws leaves them as they are. */
  beforeEndAll? (userId: string): Promise<void> | void
  /** Told once sessions have ended, one at least, by `DELETE /sessions/:id`, `POST /logout-others` or `/logout-all`. Must not throw. */
  onEnded? (ended: EndedSessions, request: FastifyRequest): void
  /** Called before a refresh token is looked up; `null`: it is forged. The place to throttle: what throws leaves the token as it is. */
  beforeRefresh? (sessionId: string | null, request: FastifyRequest): Promise<void> | void
  /**
   * What the browser drops of this origin when its user signs out there: the header `Clear-Site-Data` (ASVS 14.3.1), which
   * browsers take by https alone. `cookies` are all of the registrable domain, those of other applications and of other
   * hosts included: leave it out where either is shared. Default `[]`: no header; our own cookies are cleared anyway.
   */
  readonly clearSiteData?: readonly SiteData[]
  /** For documents of the API: each route carries a schema of its answers, which @fastify/swagger reads. Default `{}`. */
  readonly document?: AuthDocument
}

const CALLBACKS = ['authenticate', 'register', 'changePassword', 'checkPassword', 'findUser', 'confirmSignIn', 'beforeEndAll', 'onEnded', 'beforeRefresh'] as const satisfies readonly (keyof AuthRoutesOptions)[]
/** Fastify's own. */
const OF_REGISTER = ['prefix', 'logLevel', 'logSerializers']

/** @throws TypeError naming the option that is unknown, missing or no function */
export function checkAuthOptions (given: AuthRoutesOptions): void {
  rejectUnknown('authRoutes', given, [...CALLBACKS, 'clearSiteData', 'document', ...OF_REGISTER])
  for (const name of CALLBACKS) {
    const callback: unknown = given[name]
    if (callback === undefined && name !== 'authenticate') continue
    if (typeof callback !== 'function') throw new TypeError(`"${name}" option must be a function; got ${show(callback)}`)
  }
  checkSiteData(given.clearSiteData)
  const { document = {} }: { document?: unknown } = given
  if (typeof document !== 'object' || document === null) throw new TypeError(`"document" option must be an object; got ${show(document)}`)
  rejectUnknown('document', document, ['user', 'refusals'])
}

/** @throws TypeError naming the option where it is no list, or one with something that browsers do not know */
export function checkSiteData (given: unknown = []): asserts given is readonly SiteData[] | undefined {
  if (!Array.isArray(given)) throw notSiteData(given)
  for (const [index, item] of given.entries()) {
    if (!SITE_DATA.some((known) => known === item) || given.indexOf(item) !== index) throw notSiteData(item)
  }
}

const notSiteData = (given: unknown): TypeError =>
  new TypeError(`"clearSiteData" option must be a list of ${SITE_DATA.map((known) => `'${known}'`).join(', ')}, each at most once; got ${show(given)}`)
