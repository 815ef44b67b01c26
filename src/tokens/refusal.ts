import type { RefusedCode } from './errors.js'
import type { RotationCase } from './rotation.js'

type RefusedCase = Exclude<RotationCase, 'ROTATE' | 'EARLY' | 'REPLAY' | 'STRAGGLER' | 'AHEAD'>

/** The code with which each case that gives no tokens is refused. */
export const REFUSALS: Readonly<Record<RefusedCase, RefusedCode>> = {
  REVOKED: 'ERR_TOKEN_REVOKED',
  EXPIRED: 'ERR_TOKEN_EXPIRED',
  BLOCKED: 'ERR_SESSION_BLOCKED',
  WRONG_USER: 'ERR_TOKEN_WRONG_USER',
  REUSE: 'ERR_TOKEN_REUSED',
  MISMATCH: 'ERR_TOKEN_INVALID'
}
