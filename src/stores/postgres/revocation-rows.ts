import { isUuid } from '../../core/uuid.js'
import { REVOCATION_KINDS, type Revocation, type RevocationKind } from '../../tokens/revocations.js'
import type { Row } from './rows.js'
import { ALL_SESSIONS } from './revocation-statements.js'

/** What a notification names. Anybody who may connect can send one: it says what to read, and nothing else. */
export interface RevocationHint {
  readonly kind: RevocationKind
  readonly session: string
}

/** The text in which a trigger names a row. */
export const hintText = (kind: RevocationKind, session: string): string => `${kind} ${session}`

/** Reads a notification; `null`: none of our triggers made it. */
export function readHint (payload: string): RevocationHint | null {
  const [kind, session = ''] = payload.split(' ', 2)
  const known = REVOCATION_KINDS.find((name) => name === kind)
  return known === undefined || !isUuid(session) || hintText(known, session) !== payload ? null : { kind: known, session }
}

/** A revocation from a row; `null`: a hand in the database has made none of it. */
export function readRevocation ({ session, kind, reason, at, until }: Row): Revocation | null {
  const known = REVOCATION_KINDS.find((name) => name === kind)
  const [from, to] = [Number(at), Number(until)]
  if (known === undefined || typeof session !== 'string' || Number.isNaN(from) || Number.isNaN(to)) return null
  return { sessionId: session === ALL_SESSIONS ? null : session, kind: known, reason: reason ?? null, at: from, until: to }
}
