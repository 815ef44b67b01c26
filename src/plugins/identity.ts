import type { IncomingMessage } from 'node:http'
import type { RequestSession } from '../session/request-session.js'
import type { AccessToken } from '../tokens/tokens.js'

/** Who asks, as a guard has found. */
export interface Identity {
  readonly userId: string
  readonly isAdmin: boolean
  readonly roles: readonly string[]
  readonly sessionId: string
  /** `cookie`: the session cookie; `token`: an access token, in a cookie too. */
  readonly via: 'cookie' | 'token'
  /** When the user proved who they are, as far as this credential knows; `null`: not known. */
  readonly authenticatedAt: Date | null
}

/** Who an access token says is asking. */
export function identityOfToken ({ userId, isAdmin, roles, sessionId, authenticatedAt }: AccessToken): Identity {
  return Object.freeze({ userId, isAdmin, roles, sessionId, via: 'token', authenticatedAt })
}

/** Who is signed in; `null`: nobody, or there is no session. */
export function identityOfSession (session: RequestSession | null): Identity | null {
  if (session === null || session.userId === null) return null
  const { id: sessionId, userId, claims, isNew, record } = session
  const authenticatedAt = isNew ? null : record?.authenticatedAt ?? null // of a sign-in that is not saved the row says nothing
  const roles: unknown = claims.roles // a hand in the database may have made it anything
  return Object.freeze({
    userId,
    isAdmin: claims.isAdmin === true,
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    sessionId,
    via: 'cookie',
    authenticatedAt: authenticatedAt && new Date(authenticatedAt)
  })
}

/** The headers by which services behind this one are told who asks. What is no printable ASCII is percent-encoded. */
export function identityHeaders ({ userId, isAdmin, sessionId }: Identity): Record<'x-user-id' | 'x-is-admin' | 'x-session-id', string> {
  return { 'x-user-id': toHeader(userId), 'x-is-admin': String(isAdmin), 'x-session-id': sessionId }
}

/**
 * Deletes what a client says of its identity: `X-User-…`, `X-Is-Admin`, `X-Session-Id`, in whatever spelling: behind CGI
 * and WSGI `_` is the same as `-`.
 */
export function dropIdentityHeaders ({ headers, rawHeaders }: IncomingMessage): void {
  for (const name of Object.keys(headers)) if (isIdentity(name)) Reflect.deleteProperty(headers, name)
  for (let at = rawHeaders.length - 2; at >= 0; at -= 2) if (isIdentity(rawHeaders[at] ?? '')) rawHeaders.splice(at, 2)
}

function isIdentity (name: string): boolean {
  const plain = name.toLowerCase().replaceAll('_', '-')
  return plain.startsWith('x-user-') || plain === 'x-user' || plain === 'x-is-admin' || plain === 'x-session-id'
}

const toHeader = (text: string): string => /^[\x21-\x24\x26-\x7E]+$/.test(text) ? text : encodeURIComponent(text)
