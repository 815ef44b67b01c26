/** How the routes of administrators stand in the document, and what requests are checked against. */
import { EXAMPLE_SESSION, EXAMPLE_USER, SESSION, SESSION_ID } from '../../plugins/auth/schemas.js'
import { MAX_BLOCK_REASON } from '../../session/block-reason.js'
import { NO_MEMBERS } from '../../plugins/json-body.js'
import { answers, answersNothing, COMMON, refuses } from '../../plugins/operation.js'
import type { JsonSchema, Operation } from '../../plugins/operation.js'
import type { Answer } from '../../plugins/problems.js'
import { REFUSALS } from './refusals.js'
import { SIGNED_IN } from './security.js'

const TAGS = ['Administration']
const { unauthenticated, forbidden, inUrl, conflict, notThere, ownAccount } = REFUSALS
const GUARDED = [COMMON.malformed, COMMON.noToken, inUrl, conflict, unauthenticated, forbidden, COMMON.store]
const GUARDED_ACT = [...GUARDED, COMMON.crossSite, notThere, COMMON.tooLarge, COMMON.mediaType]

const USER_ID = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'string', description: 'The id of a user.', examples: [EXAMPLE_USER.id] } }
}

/** See `AdminEntry`. */
const ADMIN_SESSION: JsonSchema = {
  title: 'AdminSession',
  description: 'A session as administrators see it.',
  type: 'object',
  required: [...SESSION.required, 'blockedReason', 'user'],
  properties: {
    ...SESSION.properties,
    blockedReason: { type: ['string', 'null'] },
    user: {
      type: ['object', 'null'],
      description: '`null`: a visitor’s. Of one who is no user of the service only the id is known.',
      required: ['id', 'email', 'isAdmin', 'isDisabled'],
      properties: { id: { type: 'string' }, email: { type: ['string', 'null'] }, isAdmin: { type: 'boolean' }, isDisabled: { type: 'boolean' } }
    }
  }
}

const TEXT = { type: 'string' }

export const searchSessions: Operation = {
  operationId: 'searchSessions',
  tags: TAGS,
  summary: 'Find sessions',
  description: 'Those that have not expired, blocked ones included, in pages of 50, ordered by id.',
  security: SIGNED_IN,
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      user: { ...TEXT, description: 'The id of a user. Not beside `q`.' },
      q: { ...TEXT, description: 'A session id, a network address, or a part of an e-mail address.' },
      cursor: { ...TEXT, description: 'Of the page before.' }
    }
  },
  response: {
    200: answers('A page.', {
      title: 'AdminPage',
      type: 'object',
      required: ['sessions', 'cursor'],
      properties: {
        sessions: { type: 'array', maxItems: 50, items: ADMIN_SESSION },
        cursor: { type: ['string', 'null'], description: 'Of the next page; `null`: there is none.' }
      }
    }, {
      examples: { one: { sessions: [{ ...EXAMPLE_SESSION, current: false, blockedReason: null, user: { id: EXAMPLE_USER.id, email: EXAMPLE_USER.email, isAdmin: false, isDisabled: false } }], cursor: null } }
    }),
    ...refuses(GUARDED)
  }
}

/** What is done to one session or user: 204, and 404 where there is none. */
function act (operationId: string, summary: string, done: string, { params, body = NO_MEMBERS, also = [], description, headers }: { params: object, body?: object, also?: readonly Answer[], description?: string, headers?: Readonly<Record<string, JsonSchema>> }): Operation {
  return {
    operationId,
    tags: TAGS,
    summary,
    ...(description !== undefined && { description }),
    security: SIGNED_IN,
    params,
    body,
    response: { 204: answersNothing(done, headers), ...refuses([...GUARDED_ACT, ...also]) }
  }
}

export const blockSession = act('blockSession', 'Block a session', 'It is kept, and refuses everything.', {
  description: 'One’s own cannot be blocked. Of one that is blocked already nothing changes: the first reason stands.',
  headers: { 'x-blocked-already': { type: 'string', enum: ['true'], description: 'Only where the session was blocked already.' } },
  params: SESSION_ID,
  body: {
    type: 'object',
    nullable: true, // how an absent body arrives
    additionalProperties: false,
    properties: { reason: { type: 'string', minLength: 1, maxLength: MAX_BLOCK_REASON, description: 'For other administrators, without control characters.' } },
    examples: [{ reason: 'signed in from two continents' }]
  },
  also: [ownAccount]
})
export const unblockSession = act('unblockSession', 'Unblock a session', 'It goes on.', { params: SESSION_ID })
export const endAnySession = act('endAnySession', 'End a session', 'It has ended, and its tokens with it.', { params: SESSION_ID })
export const logOutUser = act('logOutUser', 'Sign a user out everywhere', 'All sessions have ended; sign-ins under way do not hold.', { params: USER_ID })
export const disableUser = act('disableUser', 'Disable a user', 'All sessions have ended, and there will be none.', { description: 'Not oneself.', params: USER_ID, also: [ownAccount] })
export const enableUser = act('enableUser', 'Enable a user', 'They may sign in again.', { params: USER_ID })
