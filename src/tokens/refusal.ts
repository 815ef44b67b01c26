import type { RefusedCode } from './errors.js'
import type { RefusedCase } from './rotation.js'

/** The code with which each case that gives no tokens is refused. */
export const REFUSAL_CODES: Readonly<Record<RefusedCase, RefusedCode>> = {
  REVOKED: 'ERR_TOKEN_REVOKED',
  EXPIRED: 'ERR_TOKEN_EXPIRED',
  BLOCKED: 'ERR_SESSION_BLOCKED',
  WRONG_USER: 'ERR_TOKEN_WRONG_USER',
  REUSE: 'ERR_TOKEN_REUSED',
  MISMATCH: 'ERR_TOKEN_INVALID'
}
