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

/** Roles stand in every access token, which clients send with every request. */
const ROLES_BYTES = 2 * 1024

/** @throws TypeError for anything but 1 to 256 characters of text without control characters */
export function checkUserId (userId: unknown): asserts userId is string {
  // control characters: PostgreSQL refuses NUL, and no log shall be forged by the others
  if (typeof userId !== 'string' || userId.length < 1 || userId.length > 256 || /[\p{Cc}\p{Cs}]/u.test(userId)) {
    throw new TypeError('the user id must be text of 1 to 256 characters without control characters')
  }
}

/**
 * A frozen copy; claims that are undefined are left out.
 * @throws SessionValueError `ERR_SESSION_VALUE` for what JSONB cannot hold, and for `roles` of more than 2 KiB of JSON
 */
export function copyClaims (claims: Claims): Claims {
  const given: unknown = claims
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new SessionValueError('claims', 'must be an object')
  const copy = copyValue('claims', Object.fromEntries(Object.entries(given).filter(([, claim]) => claim !== undefined)))
  const { roles } = copy as Claims // an object of JSON by the lines above
  if (roles !== undefined && Buffer.byteLength(JSON.stringify(roles)) > ROLES_BYTES) throw new SessionValueError('roles', `must be at most ${ROLES_BYTES} bytes of JSON: they stand in every access token`)
  return copy as Claims
}
