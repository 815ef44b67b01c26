/** How the routes of `/session` stand in the document, and what their bodies are checked against. */
import { NO_MEMBERS } from '../../plugins/json-body.js'
import { answers, answersNothing, COMMON, refuses } from '../../plugins/operation.js'
import type { JsonSchema, Operation } from '../../plugins/operation.js'
import { REFUSALS } from './refusals.js'
import { ANYBODY } from './security.js'

const TAGS = ['Session']
const SET_COOKIE = { 'set-cookie': { type: 'string', description: 'The session cookie, where a session begins or its cookie is due anew.', examples: ['__Host-sid=v1.…; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=86400'] } }
const BODY = [COMMON.malformed, COMMON.crossSite, COMMON.tooLarge, COMMON.mediaType, COMMON.store]

const at = { type: ['string', 'null'], format: 'date-time' }
const VIEW: JsonSchema = {
  title: 'SessionView',
  description: 'The session of whoever asks. Of a stranger, who has none: all is `null`, and `values` is empty.',
  type: 'object',
  required: ['id', 'isNew', 'userId', 'createdAt', 'expiresAt', 'values'],
  properties: {
    id: { type: ['string', 'null'], format: 'uuid' },
    isNew: { type: 'boolean', description: 'Whether nothing of it is stored.' },
    userId: { type: ['string', 'null'], description: '`null`: nobody is signed in.' },
    createdAt: at,
    expiresAt: at,
    values: { type: 'object', description: 'What was stored, without the service’s own: keys that begin with `_`.' }
  }
}
const EXAMPLES = {
  visitor: { id: '0199f7a2-3b1c-4d5e-8f60-718293a4b5c6', isNew: false, userId: null, createdAt: '2026-11-21T09:00:00.000Z', expiresAt: '2026-11-22T09:14:00.000Z', values: { colour: 'silver' } },
  stranger: { id: null, isNew: true, userId: null, createdAt: null, expiresAt: null, values: {} }
}

export const readSession: Operation = {
  operationId: 'readSession',
  tags: TAGS,
  summary: 'The session of whoever asks',
  description: 'Begins none. Access tokens are not looked at: it is the cookie’s session.',
  security: ANYBODY,
  response: { 200: answers('The session.', VIEW, { headers: SET_COOKIE, examples: EXAMPLES }), ...refuses([COMMON.store]) }
}

export const changeSession: Operation = {
  operationId: 'changeSession',
  tags: TAGS,
  summary: 'Set and remove values of the session',
  description: 'All of it or nothing, saved before the answer. A stranger who sets a value begins a session. Each value up to 64 KiB of JSON, 256 keys, all of them up to 256 KiB.',
  security: ANYBODY,
  body: {
    type: 'object',
    nullable: true, // how an absent body arrives
    additionalProperties: false,
    properties: {
      set: { type: 'object', maxProperties: 256, description: 'Values by key. Keys that begin with `_` are the service’s own.' },
      unset: { type: 'array', maxItems: 256, items: { type: 'string' }, description: 'Keys, none of which stands in `set`.' }
    },
    examples: [{ set: { colour: 'silver', visits: 3 } }, { set: { colour: 'gold' }, unset: ['visits'] }]
  },
  response: {
    200: answers('The session as it is now.', VIEW, { headers: SET_COOKIE, examples: EXAMPLES }),
    ...refuses([...BODY, REFUSALS.gone, REFUSALS.tooLarge, REFUSALS.sessionValue, REFUSALS.throttled])
  }
}

export const endOwnSession: Operation = {
  operationId: 'endOwnSession',
  tags: TAGS,
  summary: 'End the session of whoever asks',
  security: ANYBODY,
  body: NO_MEMBERS,
  response: {
    204: answersNothing('It has ended, or there was none.', { 'set-cookie': { type: 'string', description: 'The session cookie, expired, where the request brought one.', examples: ['__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT'] } }),
    ...refuses(BODY)
  }
}
