/** The names of the cookies, as the configuration makes them. */
export interface CookieNames {
  readonly session: string
  readonly access: string
  readonly refresh: string
}

/** How requests prove who sends them. */
export const securitySchemes = ({ session, access, refresh }: CookieNames) => ({
  sessionCookie: { type: 'apiKey', in: 'cookie', name: session, description: 'Set by a sign-in of any transport, and by the first value that a visitor stores. Unsafe requests of other sites are refused.' },
  accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token. One that does not hold is never replaced by a cookie.' },
  accessCookie: { type: 'apiKey', in: 'cookie', name: access, description: 'An access token, of the transports `cookie` and `hybrid`.' },
  refreshHeader: { type: 'apiKey', in: 'header', name: 'X-Refresh-Token', description: 'A refresh token, of the transport `hybrid`.' },
  refreshBearer: { type: 'http', scheme: 'bearer', bearerFormat: 'rt_…', description: 'A refresh token in place of an access token.' },
  refreshCookie: { type: 'apiKey', in: 'cookie', name: refresh, description: 'A refresh token, of the transport `cookie`.' }
} as const)

/** What an operation asks for: one of these. An empty one: it goes without, too. */
export type Security = ReadonlyArray<Readonly<Record<string, readonly string[]>>>

/** Nothing that a request carries is looked at. */
export const NOBODY: Security = []
/** Goes without, and looks at the session. */
export const ANYBODY: Security = [{}, { sessionCookie: [] }]
export const SIGNED_IN: Security = [{ sessionCookie: [] }, { accessToken: [] }, { accessCookie: [] }]
/** A refresh token; where it stands in the body there is none of the schemes. */
export const REFRESHING: Security = [{}, { refreshHeader: [] }, { refreshBearer: [] }, { refreshCookie: [] }]
/** Whatever the request carries. */
export const ANYTHING: Security = [...REFRESHING, ...SIGNED_IN]
