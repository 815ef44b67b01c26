import { toProblem } from '../../core/problem.js'
import { SessionGoneError, SessionTooLargeError } from '../../core/errors.js'
import { RequestError, toAnswer } from '../../plugins/problems.js'
import type { Answer } from '../../plugins/problems.js'
import { ForbiddenError, TokenConflictError, TokenInUrlError, UnauthenticatedError } from '../../tokens/errors.js'

/** What the service's own rules refuse, for examples of the document: `detail` may be another. */
export const ERRORS = {
  throttled: new RequestError(429, 'ERR_THROTTLED', 'too many attempts; try again later', undefined, { 'retry-after': '60' }),
  busy: new RequestError(503, 'ERR_BUSY', 'too many sign-ins at this moment; try again', undefined, { 'retry-after': '2' }),
  weakPassword: new RequestError(422, 'ERR_WEAK_PASSWORD', 'the password is weak: it is a common password', 'password')
}

export const REFUSALS = {
  throttled: toAnswer(ERRORS.throttled),
  sessionValue: toAnswer(new RequestError(422, 'ERR_SESSION_VALUE', 'session value "colour" is over 64 KiB', 'colour')),
  tooLarge: toAnswer(new SessionTooLargeError()),
  gone: toAnswer(new SessionGoneError()),
  ownAccount: toAnswer(new RequestError(409, 'ERR_OWN_ACCOUNT', 'you cannot disable yourself')),
  notThere: toAnswer(new RequestError(404, 'ERR_NOT_FOUND', 'there is nothing here')),
  unauthenticated: toAnswer(new UnauthenticatedError(false)),
  forbidden: toAnswer(new ForbiddenError()),
  inUrl: toAnswer(new TokenInUrlError()),
  conflict: toAnswer(new TokenConflictError('the request carries credentials of two users')),
  notReady: { problem: toProblem(503, 'ERR_NOT_READY', 'the database does not answer'), headers: { 'retry-after': '3' } }
} as const satisfies Readonly<Record<string, Answer>>
