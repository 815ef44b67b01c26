import type { Revocation, RevocationKind } from '../../tokens/revocations.js'

/** What a trigger announces: a revocation, or that one was lifted. */
export type RevocationMessage =
  | { readonly lifted: false, readonly revocation: Revocation }
  | { readonly lifted: true, readonly sessionId: string, readonly kind: RevocationKind }

const KINDS: readonly RevocationKind[] = ['ended', 'blocked', 'changed']
/** In SQL no session has this id. */
const ALL = '00000000-0000-0000-0000-000000000000'

/** Reads an announcement; `null`: none of our triggers made it. */
export function readMessage (payload: string): RevocationMessage | null {
  let given: unknown
  try {
    given = JSON.parse(payload)
  } catch {
    return null
  }
  if (typeof given !== 'object' || given === null || !('session' in given) || typeof given.session !== 'string') return null
  const kind = KINDS.find((name) => 'kind' in given && given.kind === name)
  if (kind === undefined) return null
  if (!('at' in given)) return { lifted: true, sessionId: given.session, kind }
  const revocation = readRevocation({ ...given })
  return revocation && { lifted: false, revocation }
}

/** A revocation from a row or an announcement; `null`: it is none. */
export function readRevocation ({ session, kind, reason, at, until }: Readonly<Record<string, unknown>>): Revocation | null {
  const known = KINDS.find((name) => name === kind)
  const [from, to] = [Number(at), Number(until)]
  if (known === undefined || typeof session !== 'string' || Number.isNaN(from) || Number.isNaN(to)) return null
  return { sessionId: session === ALL ? null : session, kind: known, reason: typeof reason === 'string' ? reason : null, at: from, until: to }
}
