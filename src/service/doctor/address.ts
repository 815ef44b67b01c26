import { resolveManagerOptions } from '../../session/options.js'
import type { ResolvedManagerOptions } from '../../session/options.js'
import { isLocal } from '../../stores/postgres/connection-string.js'
import type { Config } from '../config.js'
import { MAKE_KEY } from '../keys.js'
import { TRUST } from './cookies.js'
import { fault, ok } from './finding.js'
import type { Finding } from './finding.js'

const ANSWER_MS = 10_000
const SAME_CONFIGURATION = 'run the doctor with the environment of the service that runs there, or start that service anew'

/** A service as a browser meets it. */
interface Visit {
  readonly url: URL
  readonly expected: ResolvedManagerOptions
  readonly trustsProxy: boolean
}

/**
 * Visits the service at its public address as a browser would: begins a visitor's session, compares the cookie with the
 * configuration, writes to the session as a page of the service does, and ends the session.
 */
export async function checkAddress (url: URL, { sessions, trustProxy }: Config): Promise<Finding[]> {
  const visit = { url, expected: resolveManagerOptions({ ...sessions.options, authKey: MAKE_KEY.SESSION_AUTH_KEYS() }), trustsProxy: trustProxy !== false }
  const unsafe = visit.expected.cookie.secure && url.protocol === 'http:' && !isLocal(url.hostname)
  if (unsafe) return [fault('address', `the session cookie is Secure and ${url.origin} is http: browsers do not send it there`, 'give the doctor the https address, and let the proxy lead from http to https')]
  try {
    return await see(visit)
  } catch (error) {
    return [fault('address', `${url.origin} does not answer (${causeOf(error)})`, 'check the name, the certificate and the proxy')]
  }
}

async function see (visit: Visit): Promise<Finding[]> {
  const { url } = visit
  const answer = await write(url, {})
  if (answer.status !== 200) return [fault('address', `PATCH ${url.origin}/session is answered with ${answer.status}`, answer.status === 503 ? 'see /readyz of the service and the findings about the database' : 'check that the proxy leads to this service, and passes PATCH on')]
  const cookies = answer.headers.getSetCookie()
  const cookie = cookies.find((line) => line.startsWith(`${visit.expected.cookieName}=`))
  if (cookie === undefined) return [fault('address', `${url.origin} sets ${namesOf(cookies)}, not the configured cookie ${visit.expected.cookieName}`, SAME_CONFIGURATION)]
  const headers = { cookie: cookie.split(';', 1)[0] ?? '', origin: url.origin }
  const own = await write(url, headers)
  const findings = [...compare(cookie, visit), ...judgeOwn(own.status, visit)]
  await fetch(new URL('/session', url), { method: 'DELETE', headers: { cookie: headers.cookie }, signal: AbortSignal.timeout(ANSWER_MS), redirect: 'manual' })
  return findings.length > 0 ? findings : [ok('address', `${url.origin} sets the cookie as configured, and takes what its own pages send`)]
}

/** What differs between the cookie as it came and as it is configured. */
function compare (cookie: string, { url, expected: { cookie: { secure, sameSite, domain, path } } }: Visit): Finding[] {
  const [, ...parts] = cookie.split(';').map((part) => part.trim().toLowerCase())
  const wanted = [...(secure ? ['secure'] : []), 'httponly', `samesite=${sameSite}`, `path=${path}`.toLowerCase(), ...(domain === undefined ? [] : [`domain=${domain}`.toLowerCase()])]
  const missing = wanted.filter((attribute) => !parts.includes(attribute))
  const besides = parts.filter((part) => !wanted.includes(part) && !/^(?:expires|max-age)=/.test(part))
  return [
    ...missing.map((attribute) => fault('address', `the cookie at ${url.origin} lacks "${attribute}", which is configured`, 'look for what changes Set-Cookie on the way; else '.concat(SAME_CONFIGURATION))),
    ...besides.map((attribute) => fault('address', `the cookie at ${url.origin} has "${attribute}", which is not configured`, 'look for what changes Set-Cookie on the way; else '.concat(SAME_CONFIGURATION))),
    ...(!secure && url.protocol === 'https:' ? [fault('address', `${url.origin} is https and the session cookie is not Secure: a browser sends it over http, too`, 'set SESSION_SECURE=on')] : [])
  ]
}

/** A page of the service sends its own origin; the service compares it with what it believes its own to be. */
function judgeOwn (status: number, { url, trustsProxy }: Visit): Finding[] {
  if (status === 200) return []
  if (status !== 403) return [fault('address', `the session that ${url.origin} began is answered with ${status}`, 'the cookie is lost on the way, or requests lead to nodes with other keys: SESSION_AUTH_KEYS must be the same on all')]
  return [fault('address', `${url.origin} refuses its own Origin as cross-site: behind the proxy the service takes its address for another one, and only browsers that send Sec-Fetch-Site can sign in`,
    trustsProxy ? 'let the proxy send X-Forwarded-Proto and X-Forwarded-Host as the browser sees them, from an address that TRUST_PROXY names' : `TRUST_PROXY is off: ${TRUST}`)]
}

async function write (url: URL, headers: Readonly<Record<string, string>>): Promise<Response> {
  const answer = await fetch(new URL('/session', url), {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ set: { doctor: true } }),
    signal: AbortSignal.timeout(ANSWER_MS),
    redirect: 'manual'
  })
  await answer.body?.cancel()
  return answer
}

const namesOf = (cookies: readonly string[]): string => cookies.length === 0 ? 'no cookie' : cookies.map((line) => line.split('=', 1)[0]).join(', ')

function causeOf (error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause ?? error : error
  if (cause instanceof Error && 'code' in cause) return String(cause.code)
  return cause instanceof Error ? cause.name : 'unknown error'
}
