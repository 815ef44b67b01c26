/** What the document says of the auth routes besides what they say themselves. */
import type { AuthDocument } from '../../plugins/auth/options.js'
import { ERRORS } from './refusals.js'
import { ANYTHING, NOBODY, REFRESHING, SIGNED_IN } from './security.js'
import type { Security } from './security.js'

const AT = { type: 'string', format: 'date-time' }
const { throttled, busy, weakPassword } = ERRORS

export const AUTH_DOCUMENT: AuthDocument = {
  user: {
    title: 'User',
    type: 'object',
    required: ['id', 'email', 'isAdmin', 'createdAt', 'updatedAt'],
    properties: { id: { type: 'string', format: 'uuid' }, email: { type: 'string' }, isAdmin: { type: 'boolean' }, createdAt: AT, updatedAt: AT }
  },
  refusals: {
    register: [throttled, weakPassword, busy],
    login: [throttled, busy],
    refresh: [throttled],
    changePassword: [throttled, weakPassword, busy],
    reauthenticate: [throttled, busy]
  }
}

/** By the operationId. */
export const AUTH_SECURITY: Readonly<Record<string, Security>> = {
  register: NOBODY,
  login: NOBODY,
  logout: ANYTHING,
  logoutOthers: SIGNED_IN,
  logoutAll: SIGNED_IN,
  refresh: REFRESHING,
  revoke: REFRESHING,
  me: SIGNED_IN,
  listSessions: SIGNED_IN,
  endSession: SIGNED_IN,
  changePassword: SIGNED_IN,
  reauthenticate: SIGNED_IN,
  verify: SIGNED_IN
}

const METHOD = { type: 'string', description: 'Of the request that the proxy asks about.', examples: ['POST'] }

/** Headers that the routes read and no schema checks, by the operationId. */
export const AUTH_HEADERS: Readonly<Record<string, object>> = {
  verify: { type: 'object', properties: { 'X-Original-Method': METHOD, 'X-Forwarded-Method': METHOD } }
}
