import { isProduction } from '../core/environment.js'
import { parseKeys } from '../core/keys.js'
import type { KeysOption } from '../core/keys.js'
import { flag, oneOf, rejectUnknown, seconds, show, wholeNumber } from '../core/options.js'
import type { CookieSealer } from './cookie.js'
import { resolveDomain } from './domain.js'
import type { Log } from './http.js'

/** Attributes of the session cookie (RFC 6265bis). */
export interface CookieAttributes {
  /** Starts with "/". Default "/". */
  readonly path?: string
  /** Hosts that get the cookie, subdomains included. Default: none, the answering host alone. */
  readonly domain?: string
  /** Sent over https alone, and to localhost. Default `true`; `false` is refused with `NODE_ENV=production`. */
  readonly secure?: boolean
  /** Hidden from scripts. Always `true`: `false` is refused. */
  readonly httpOnly?: boolean
  /** Default 'lax'. 'none' needs `secure` and `csrf.trustedOrigins`. */
  readonly sameSite?: 'lax' | 'strict' | 'none'
}

/** Options of `createManager`. */
export interface ManagerOptions extends CookieAttributes {
  /** Name of the cookie. Default `__Host-sid` where `secure`, path "/" and no domain allow it; else `sid`. */
  readonly sessionName?: string
  /** HMAC keys, newest first: the first signs, all verify. At least 32 bytes each. `undefined`, as of an unset variable, is refused. */
  readonly authKey: KeysOption | undefined
  /** Seals the cookie as well as signing it: `createSealer` makes one. The plugin makes it from `encryptionKey`. */
  readonly sealer?: CookieSealer
  /** Seconds a session lives after its last refresh. Up to 400 days. Default 86,400: one day. */
  readonly maxAge?: number
  /** Seconds after creation at which a session ends whatever happens; at least `maxAge`. Default 2,592,000: 30 days, or `maxAge` where that is longer. */
  readonly absoluteMaxAge?: number
  /** Seconds between slides of one session. From 0 to `maxAge`. Default a tenth of `maxAge`, at most 60. */
  readonly refreshInterval?: number
  /** Most sessions a user may have: those beyond, the least recently seen first, end with a sign-in. 0: no limit. Default 0. */
  readonly maxSessionsPerUser?: number
  /** Seconds between cleanups, on average. 0: no timer. Default 900. */
  readonly cleanupInterval?: number
  /** The cross-site rule for unsafe requests that carry our cookie. Default `{}`: on, own origin alone. */
  readonly csrf?: { readonly trustedOrigins?: readonly string[] } | 'dangerouslyOff'
  /** When loading fails: 503 ('fail', default), or answer as to a stranger and store nothing ('anonymous'). */
  readonly onStoreError?: 'fail' | 'anonymous'
  /** Whether user agent and client address are stored with a session. Default `true`. */
  readonly recordDevice?: boolean
  /** Where the failures of the cleanup timer are told. The plugin gives the application's. Default: nowhere. */
  readonly log?: Log
}

export interface ResolvedCookieAttributes {
  readonly path: string
  readonly domain: string | undefined
  readonly secure: boolean
  readonly httpOnly: true
  readonly sameSite: 'lax' | 'strict' | 'none'
}

/** `ManagerOptions` after checking: all there, frozen. */
export interface ResolvedManagerOptions {
  readonly cookieName: string
  readonly cookie: ResolvedCookieAttributes
  readonly authKeys: readonly Buffer[]
  readonly sealer: CookieSealer | undefined
  readonly maxAge: number
  readonly absoluteMaxAge: number
  readonly refreshInterval: number
  readonly maxSessionsPerUser: number
  readonly cleanupInterval: number
  /** `null`: the rule is off. */
  readonly trustedOrigins: ReadonlySet<string> | null
  readonly onStoreError: 'fail' | 'anonymous'
  readonly recordDevice: boolean
  readonly log: Log | undefined
}

const DAY = 24 * 60 * 60
/** Seconds between cleanups where nothing is configured. */
export const CLEANUP_INTERVAL = 900
/** RFC 6265bis section 5.5: browsers keep no cookie longer. */
export const LONGEST_MAX_AGE = 400 * DAY
/** The names of the options of `createManager`. */
export const MANAGER_OPTIONS = [
  'sessionName', 'authKey', 'sealer', 'path', 'domain', 'secure', 'httpOnly', 'sameSite', 'maxAge', 'absoluteMaxAge',
  'refreshInterval', 'maxSessionsPerUser', 'cleanupInterval', 'csrf', 'onStoreError', 'recordDevice', 'log'
] as const satisfies readonly (keyof ManagerOptions)[]

/** @throws TypeError naming the first option that is missing, unknown, out of range or in contradiction to another */
export function resolveManagerOptions (given: ManagerOptions): ResolvedManagerOptions {
  rejectUnknown('sessions', given, [...MANAGER_OPTIONS, 'encryptionKey'])
  if ('encryptionKey' in given) throw new TypeError('"encryptionKey" option belongs to the plugin; give createManager a "sealer" made by createSealer')
  checkMethods('sealer', given.sealer, ['seal', 'open'])
  checkMethods('log', given.log, ['debug', 'info', 'warn', 'error'])
  for (const [option, value] of Object.entries(given)) {
    if (value === null) throw new TypeError(`"${option}" option must not be null; leave it out for the default`)
  }
  const trustedOrigins = resolveTrustedOrigins(given.csrf ?? {})
  const cookie = resolveCookieAttributes(given)
  rejectUntrustedNone(cookie, trustedOrigins)
  const maxAge = seconds('maxAge', given.maxAge ?? DAY, { min: 1, max: LONGEST_MAX_AGE })
  const absoluteMaxAge = seconds('absoluteMaxAge', given.absoluteMaxAge ?? Math.max(30 * DAY, maxAge), { min: 1, max: LONGEST_MAX_AGE })
  if (absoluteMaxAge < maxAge) throw new TypeError('"absoluteMaxAge" option must not be shorter than "maxAge"')
  return Object.freeze({
    cookieName: resolveCookieName(given.sessionName, cookie),
    cookie,
    authKeys: parseKeys('authKey', given.authKey),
    sealer: given.sealer,
    maxAge,
    absoluteMaxAge,
    refreshInterval: seconds('refreshInterval', given.refreshInterval ?? Math.min(60, maxAge / 10), { min: 0, max: maxAge }),
    maxSessionsPerUser: wholeNumber('maxSessionsPerUser', given.maxSessionsPerUser ?? 0, { min: 0, max: 10_000 }),
    cleanupInterval: resolveCleanupInterval(given.cleanupInterval),
    trustedOrigins,
    onStoreError: oneOf('onStoreError', given.onStoreError ?? 'fail', ['fail', 'anonymous']),
    recordDevice: flag('recordDevice', given.recordDevice ?? true),
    log: given.log
  })
}

function checkMethods (option: string, given: object | undefined, methods: readonly string[]): void {
  if (given === undefined) return
  if (methods.some((method) => typeof Reflect.get(Object(given), method) !== 'function')) {
    throw new TypeError(`"${option}" option must be an object with ${methods.map((method) => `${method}()`).join(', ')}; got ${show(given)}`)
  }
}

/** Attributes over those of the manager, for one answer. @throws TypeError as for the manager's options */
export function overrideCookieAttributes (
  given: CookieAttributes,
  { cookie, cookieName, trustedOrigins }: Pick<ResolvedManagerOptions, 'cookie' | 'cookieName' | 'trustedOrigins'>
): ResolvedCookieAttributes {
  const domain = given.domain ?? cookie.domain
  if ((given.path ?? cookie.path) !== cookie.path || domain !== cookie.domain) {
    throw new TypeError('"path" and "domain" options are the manager\'s: a browser would send both cookies, and neither would be accepted')
  }
  const changed = resolveCookieAttributes({
    path: given.path ?? cookie.path,
    ...(domain !== undefined && { domain }),
    secure: given.secure ?? cookie.secure,
    httpOnly: given.httpOnly ?? cookie.httpOnly,
    sameSite: given.sameSite ?? cookie.sameSite
  })
  rejectUntrustedNone(changed, trustedOrigins)
  resolveCookieName(cookieName, changed)
  return changed
}

/** @throws TypeError naming the attribute that is invalid or contradicts another */
function resolveCookieAttributes (given: CookieAttributes): ResolvedCookieAttributes {
  const path = given.path ?? '/'
  // no control character, nothing beyond ASCII, no ";"
  if (typeof path !== 'string' || !/^\/[\x20-\x3A\x3C-\x7E]{0,1022}$/.test(path)) {
    throw new TypeError(`"path" option must begin with "/" and hold printable ASCII without ";"; got ${show(path)}`)
  }
  const secure = flag('secure', given.secure ?? true)
  if (!flag('httpOnly', given.httpOnly ?? true)) throw new TypeError('"httpOnly" option must be true: scripts have no use for a session cookie')
  if (!secure && isProduction()) throw new TypeError('"secure" option must be true with NODE_ENV=production')
  const sameSite = oneOf('sameSite', given.sameSite ?? 'lax', ['lax', 'strict', 'none'])
  if (sameSite === 'none' && !secure) throw new TypeError('"sameSite" option \'none\' needs "secure": true')
  return Object.freeze({ path, domain: resolveDomain(given.domain), secure, httpOnly: true, sameSite })
}

function rejectUntrustedNone ({ sameSite }: ResolvedCookieAttributes, trustedOrigins: ReadonlySet<string> | null): void {
  if (sameSite === 'none' && (trustedOrigins === null || trustedOrigins.size === 0)) {
    throw new TypeError('"sameSite" option \'none\' needs "csrf.trustedOrigins": the origins whose pages may use the session')
  }
}

/** Names and prefixes: RFC 6265bis sections 4.1.3 and 5.4. */
function resolveCookieName (given: unknown, { secure, path, domain }: ResolvedCookieAttributes): string {
  const hostBound = secure && path === '/' && domain === undefined
  const name = given ?? (hostBound ? '__Host-sid' : 'sid')
  if (typeof name !== 'string' || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/.test(name)) {
    throw new TypeError(`"sessionName" option must be a cookie name of at most 64 characters; got ${show(name)}`)
  }
  const prefix = /^__(?:host-http|host|secure|http)-/i.exec(name)?.[0]
  if (prefix === undefined) return name
  if (prefix !== '__Host-' && prefix !== '__Secure-') throw new TypeError(`"sessionName" option has a prefix that browsers treat specially; write "__Host-" or "__Secure-"; got ${show(name)}`)
  if (!secure) throw new TypeError(`"sessionName" option with the prefix ${prefix} needs "secure": true`)
  if (prefix === '__Host-' && !hostBound) throw new TypeError('"sessionName" option with the prefix __Host- needs "path": "/" and no "domain"')
  return name
}

function resolveCleanupInterval (given: unknown): number {
  return given === 0 ? 0 : seconds('cleanupInterval', given ?? CLEANUP_INTERVAL, { min: 1, max: DAY, alternative: ', or 0 for none' })
}

function resolveTrustedOrigins (csrf: unknown): ReadonlySet<string> | null {
  if (csrf === 'dangerouslyOff') return null
  if (typeof csrf !== 'object' || csrf === null) throw new TypeError(`"csrf" option must be { trustedOrigins } or 'dangerouslyOff'; got ${show(csrf)}`)
  rejectUnknown('csrf', csrf, ['trustedOrigins'])
  const origins: unknown = 'trustedOrigins' in csrf ? csrf.trustedOrigins : []
  if (!Array.isArray(origins)) throw new TypeError('"csrf.trustedOrigins" option must be an array of origins')
  return new Set(origins.map((origin: unknown) => {
    if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).origin !== origin || origin.includes('*')) {
      throw new TypeError(`"csrf.trustedOrigins" option must hold origins such as "https://app.example.com"; got ${show(origin)}`)
    }
    return origin
  }))
}
