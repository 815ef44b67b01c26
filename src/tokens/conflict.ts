import { TokenConflictError } from './errors.js'

/** Refuses a request with credentials of two users; `null`: a credential that is not there. @throws TokenConflictError `ERR_TOKEN_CONFLICT` */
export function rejectTwoUsers (userId: string | null, other: string | null): void {
  if (userId !== null && other !== null && userId !== other) throw new TokenConflictError('the request carries credentials of two users')
}
