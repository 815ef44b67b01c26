/** What the auth routes take and tell, as JSON Schemas. */
import type { JsonSchema } from '../operation.js'

const TEXT = { type: 'string', minLength: 1 }
const AT = { type: 'string', format: 'date-time' }

export const TRANSPORTS = ['body', 'cookie', 'hybrid', 'none'] as const

/** Of examples: nobody's. */
const ACCESS_TOKEN = 'eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6Ij….eyJpc3MiOiJodHRwczov….c2lnbmF0dXJl…'
export const REFRESH_TOKEN = 'rt_AQQc3Zx1mZ0q…'

// --- what is taken: these check requests

const CREDENTIALS = {
  email: { ...TEXT, description: 'Found without regard to case.' },
  password: TEXT,
  transport: { enum: TRANSPORTS, description: 'How tokens go out: `body` (default), both in JSON; `cookie`, both in cookies; `hybrid`, the access token in a cookie and the refresh token in `X-Refresh-Token`; `none`, no tokens, the session cookie alone.' }
}

export const REGISTER = body(CREDENTIALS, ['email', 'password'], [
  { email: 'ada@example.com', password: 'an engine of brass and cards' }
])

export const LOGIN = body({
  ...CREDENTIALS,
  remember: { type: 'boolean', description: 'With the transport `none` alone: `true`, a cookie of 30 days; `false`, one that ends with the browser; absent, one of the service’s own life.' }
}, ['email', 'password'], [
  { email: 'ada@example.com', password: 'an engine of brass and cards' },
  { email: 'ada@example.com', password: 'an engine of brass and cards', transport: 'none', remember: true }
])

export const REFRESH = body({ refresh_token: { type: 'string', description: 'Absent where a header or a cookie carries it.' } }, [], [{ refresh_token: REFRESH_TOKEN }])

export const PASSWORD = body({ current: TEXT, next: TEXT }, ['current', 'next'], [
  { current: 'an engine of brass and cards', next: 'weaves algebraic patterns' }
])

export const REAUTHENTICATE = body({ password: TEXT }, ['password'], [{ password: 'an engine of brass and cards' }])

export const SESSION_ID = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', description: 'The id of a session: a handle, which proves nothing.', examples: ['0199f7a2-3b1c-4d5e-8f60-718293a4b5c6'] } }
}

/** A body of these members and no others. */
function body (properties: Readonly<Record<string, object>>, required: readonly string[], examples: readonly object[]): JsonSchema {
  // where every member is optional the body may be absent, which arrives as null
  return { type: 'object', ...(required.length === 0 && { nullable: true }), additionalProperties: false, required, properties, examples }
}

// --- what is told

/** What is told of a user unless the application says more. */
export const ANY_USER: JsonSchema = { type: 'object', description: 'What the application tells of a user.' }

/** An entry of the list of devices, see `SessionEntry`. */
export const SESSION = {
  title: 'Session',
  description: 'A session as its user sees it: a sign-in on a device.',
  type: 'object',
  required: ['id', 'current', 'device', 'clientIp', 'createdAt', 'lastSeenAt', 'expiresAt', 'blocked'],
  properties: {
    id: { type: 'string', format: 'uuid', description: 'A handle: proves nothing.' },
    current: { type: 'boolean', description: 'Whether it is the one that asks.' },
    device: { type: ['string', 'null'], description: 'Such as "Chrome on macOS"; `null`: not known.' },
    clientIp: { type: ['string', 'null'], description: 'The network address when it began.' },
    createdAt: AT,
    lastSeenAt: AT,
    expiresAt: { ...AT, description: 'When it ends, unless it is used before.' },
    blocked: { type: 'boolean' }
  }
}

const TOKEN_MEMBERS = {
  access_token: { type: 'string', description: 'A JWT (RFC 9068), for `Authorization: Bearer`.' },
  token_type: { const: 'Bearer' },
  expires_in: { type: 'integer', minimum: 0, description: 'Seconds that the access token holds.' },
  refresh_token: { type: 'string', pattern: '^rt_', description: 'Absent where the client keeps the one it has (RFC 6749 section 6).' },
  rotates_in: { type: 'integer', minimum: 0, description: 'Seconds until a refresh would rotate. Where there is no new refresh token.' },
  superseded: { const: true, description: 'The refresh token that was presented has a successor, which another tab has.' }
}

/** See `TokenBody`. */
export const TOKENS: JsonSchema = {
  title: 'Tokens',
  description: 'A pair of tokens; what the transport carries elsewhere is absent.',
  type: 'object',
  required: ['expires_in'],
  properties: TOKEN_MEMBERS
}

export const signedIn = (user: JsonSchema): JsonSchema => ({
  title: 'SignedIn',
  description: 'Who has signed in, the session that has begun, and its tokens; what the transport carries elsewhere is absent.',
  type: 'object',
  required: ['user', 'session'],
  properties: { user, session: SESSION, ...TOKEN_MEMBERS }
})

/** Who asks. */
export const me = (user: JsonSchema): JsonSchema => ({
  title: 'Me',
  type: 'object',
  required: ['user', 'session'],
  properties: { user, session: SESSION }
})

export const ENDED: JsonSchema = {
  title: 'Ended',
  type: 'object',
  required: ['ended'],
  properties: { ended: { type: 'integer', minimum: 0, description: 'How many sessions have ended.' } }
}

// --- examples of what is told

export const EXAMPLE_USER = { id: '0199f7a2-0000-4a1b-9c3d-5e6f70819203', email: 'ada@example.com', isAdmin: false, createdAt: '2026-11-21T09:00:00.000Z', updatedAt: '2026-11-21T09:00:00.000Z' }
export const EXAMPLE_SESSION = {
  id: '0199f7a2-3b1c-4d5e-8f60-718293a4b5c6',
  current: true,
  device: 'Chrome on macOS',
  clientIp: '203.0.113.7',
  createdAt: '2026-11-21T09:00:00.000Z',
  lastSeenAt: '2026-11-21T09:14:00.000Z',
  expiresAt: '2026-12-21T09:14:00.000Z',
  blocked: false
}
export const EXAMPLE_TOKENS = { access_token: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 868, refresh_token: REFRESH_TOKEN }
