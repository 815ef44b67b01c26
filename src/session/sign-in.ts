import { SessionValueError } from '../core/errors.js'
import type { Claims } from './store.js'
import { copyValue } from './values.js'

/** A change of user that is not stored yet. */
export interface SignIn {
  /** `null`: a sign-out. */
  readonly userId: string | null
  readonly claims: Claims
  /** Whether the values of the row that is replaced come along. */
  readonly carries: boolean
}

export const NO_CLAIMS: Claims = Object.freeze({})

/** @throws TypeError for anything but 1 to 256 characters of text without control characters */
export function checkUserId (userId: unknown): asserts userId is string {
  // control characters: PostgreSQL refuses NUL, and no log shall be forged by the others
  if (typeof userId !== 'string' || userId.length < 1 || userId.length > 256 || /[\p{Cc}\p{Cs}]/u.test(userId)) {
    throw new TypeError('the user id must be text of 1 to 256 characters without control characters')
  }
}

/** A frozen copy; claims that are undefined are left out. @throws SessionValueError `ERR_SESSION_VALUE` for what JSONB cannot hold */
export function copyClaims (claims: Claims): Claims {
  const given: unknown = claims
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new SessionValueError('claims', 'must be an object')
  const copy = copyValue('claims', Object.fromEntries(Object.entries(given).filter(([, claim]) => claim !== undefined)))
  return copy as Claims // an object of JSON by the lines above
}
