import { NoSessionError } from '../core/errors.js'
import type { RequestSession } from './request-session.js'
import type { Session, SessionData } from './session.js'

/**
 * The property of a request that holds its session: the first, where several managers have opened one each.
 *
 * A property, not a WeakMap: a map entry a request costs several times the rest of what a visitor costs.
 */
export const OPENED = Symbol('silverback.session')

/** Holds the sessions of further managers. */
const OTHERS = Symbol('silverback.sessions')

interface Opened { [OPENED]?: RequestSession | null, [OTHERS]?: RequestSession[] }

/** The session that this manager has opened for a request. */
export function openedSession (request: object, host: object): RequestSession | null {
  const opened: Opened = request
  const first = opened[OPENED] ?? null
  return first === null || first.host === host ? first : opened[OTHERS]?.find((session) => session.host === host) ?? null
}

/** Keeps the session of a manager beside those of others. */
export function setOpened (request: object, session: RequestSession): void {
  const target: Opened = request
  if ((target[OPENED] ?? null) === null) target[OPENED] = session
  else target[OTHERS] = [...target[OTHERS] ?? [], session]
}

/**
 * The session of a request (that of the plugin, or of the manager that came first), typed by the caller: immune to other packages that declare `request.session`.
 *
 * @throws NoSessionError `ERR_NO_SESSION` on a route that has opted out
 */
export function getSession<T extends object = SessionData> (request: object): Session<T> {
  const { [OPENED]: session = null }: Opened = request
  if (session === null) throw new NoSessionError()
  return session as Session<object> as Session<T> // whoever names T says what the values are, as with SessionData
}
