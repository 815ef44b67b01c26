/** How the auth routes stand in a document of the API, and what their bodies are checked against. */
import { SessionGoneError, StoreError } from '../../core/errors.js'
import { TokenConflictError, TokenInUrlError, TokenMissingError, TokenRefusedError, UnauthenticatedError } from '../../tokens/errors.js'
import { NO_MEMBERS } from '../json-body.js'
import { answers, answersNothing, COMMON, refuses } from '../operation.js'
import type { JsonSchema, Operation, Responses } from '../operation.js'
import { toAnswer } from '../problems.js'
import type { Answer } from '../problems.js'
import type { AuthDocument } from './options.js'
import { notThere, passwordChanged, signInEnded, userExists, wrongCredentials } from './parts.js'
import * as schemas from './schemas.js'
import { EXAMPLE_SESSION, EXAMPLE_TOKENS, EXAMPLE_USER } from './schemas.js'

/** An operation of which it is not said yet what else refuses it. */
interface Draft extends Omit<Operation, 'response'> {
  readonly operationId: string
  readonly answer: Responses
  readonly refused: readonly Answer[]
}

const SIGN_IN = ['Sign-in']
const TOKENS = ['Tokens']
const ACCOUNT = ['Account']

const credentials = toAnswer(wrongCredentials())
const inUrl = toAnswer(new TokenInUrlError())
const conflict = toAnswer(new TokenConflictError('the request carries credentials of two users'))
const gone = toAnswer(new SessionGoneError())
const unauthenticated = toAnswer(new UnauthenticatedError(false))

/** What refuses every route that takes a body, or could be given one. */
const BODY = [COMMON.malformed, inUrl, COMMON.crossSite, COMMON.tooLarge, COMMON.mediaType, COMMON.store]
const SIGNING_IN = [...BODY, credentials, toAnswer(signInEnded())]
/** What refuses a route that reads alone, and one that acts, behind the guard. */
const GUARDED = [COMMON.malformed, COMMON.noToken, inUrl, conflict, unauthenticated, COMMON.store]
const GUARDED_ACT = [...BODY, COMMON.noToken, conflict, unauthenticated]
const PRESENTED = [COMMON.noToken, toAnswer(new TokenMissingError()), toAnswer(new TokenConflictError('the request carries two refresh tokens that differ'))]

const SET_COOKIE = { type: 'string', description: 'The session cookie; the access cookie and the refresh cookie where the transport has them. A header each.', examples: ['__Host-sid=v1.…; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=86400'] }
const CLEARED = { 'set-cookie': { type: 'string', description: 'The cookies that the request brought, expired.', examples: ['__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT'] } }
const SIGNED_OUT = { ...CLEARED, 'clear-site-data': { type: 'string', description: 'What else of this origin the browser is to drop, where that is configured.', examples: ['"cache", "storage"'] } }
const RENEWED = { 'set-cookie': { type: 'string', description: 'The session cookie with another secret, where the request came with one.', examples: SET_COOKIE.examples } }
const WITH_TOKENS = {
  'set-cookie': SET_COOKIE,
  'x-refresh-token': { type: 'string', description: 'The refresh token of the transport `hybrid`.', examples: [schemas.REFRESH_TOKEN] }
}

function begins (description: string, user: JsonSchema): object {
  const who = { user: EXAMPLE_USER, session: EXAMPLE_SESSION }
  return answers(description, schemas.signedIn(user), {
    headers: WITH_TOKENS,
    examples: { body: { ...who, ...EXAMPLE_TOKENS }, cookie: { ...who, expires_in: EXAMPLE_TOKENS.expires_in }, none: who }
  })
}

const register = (user: JsonSchema): Draft => ({
  operationId: 'register',
  tags: SIGN_IN,
  summary: 'Make a user and sign them in',
  description: 'Always begins a new session; values of the session that asks come along. The session cookie is set whatever the transport.',
  body: schemas.REGISTER,
  answer: { 201: begins('The user is there and signed in.', user) },
  refused: [...SIGNING_IN, toAnswer(userExists())]
})

const login = (user: JsonSchema): Draft => ({
  operationId: 'login',
  tags: SIGN_IN,
  summary: 'Sign in with e-mail address and password',
  description: 'Always begins a new session; values of the session that asks come along. The session cookie is set whatever the transport. The refusal is one and the same, whatever was wrong.',
  body: schemas.LOGIN,
  answer: { 200: begins('Signed in.', user) },
  refused: SIGNING_IN
})

const logout: Draft = {
  operationId: 'logout',
  tags: SIGN_IN,
  summary: 'End this session',
  description: 'Ends what the cookie, the access token and the refresh token of the request name: they end together, a blocked session as well: nothing signs it in when the block is lifted. 204 with none or forged ones, too; an access token that has expired names nothing. When the storage fails nothing is cleared.',
  body: schemas.REFRESH,
  answer: { 204: answersNothing('It has ended, or there was none.', SIGNED_OUT) },
  refused: [...BODY, COMMON.noToken, conflict]
}

const logoutOthers: Draft = {
  operationId: 'logoutOthers',
  tags: SIGN_IN,
  summary: 'End all other sessions of the user',
  body: NO_MEMBERS,
  answer: { 200: answers('They have ended.', schemas.ENDED, { examples: { two: { ended: 2 } } }) },
  refused: GUARDED_ACT
}

const logoutAll: Draft = {
  operationId: 'logoutAll',
  tags: SIGN_IN,
  summary: 'End all sessions of the user, this one included',
  description: 'Sign-ins under way do not hold either.',
  body: NO_MEMBERS,
  answer: { 200: answers('They have ended.', schemas.ENDED, { headers: SIGNED_OUT, examples: { three: { ended: 3 } } }) },
  refused: GUARDED_ACT
}

const refresh: Draft = {
  operationId: 'refresh',
  tags: TOKENS,
  summary: 'Exchange a refresh token for an access token',
  description: 'The token comes in the body, in `X-Refresh-Token`, as `Authorization: Bearer rt_…` or in the refresh cookie, in that order; the answer goes out the same way. It may be asked again after a lost answer. A token whose successor is in use ends the session: `ERR_TOKEN_REUSED`. No answer deletes a cookie.',
  body: schemas.REFRESH,
  answer: {
    200: answers('An access token, and the next refresh token where it was time for one.', schemas.TOKENS, {
      headers: WITH_TOKENS,
      examples: {
        rotated: EXAMPLE_TOKENS,
        early: { access_token: EXAMPLE_TOKENS.access_token, token_type: 'Bearer', expires_in: 868, rotates_in: 75 },
        cookie: { expires_in: 868 }
      }
    })
  },
  refused: [
    ...BODY,
    ...PRESENTED,
    ...(['ERR_TOKEN_INVALID', 'ERR_TOKEN_REVOKED', 'ERR_TOKEN_EXPIRED', 'ERR_SESSION_BLOCKED', 'ERR_TOKEN_WRONG_USER', 'ERR_TOKEN_REUSED'] as const).map((code) => toAnswer(new TokenRefusedError(code)))
  ]
}

const revoke: Draft = {
  operationId: 'revoke',
  tags: TOKENS,
  summary: 'Revoke a refresh token',
  description: 'Ends the whole session, its cookie included. The token comes as for a refresh.',
  body: schemas.REFRESH,
  answer: { 204: answersNothing('It holds no more, whether it was known, expired, revoked or nonsense.', CLEARED) },
  refused: [...BODY, ...PRESENTED]
}

const me = (user: JsonSchema): Draft => ({
  operationId: 'me',
  tags: ACCOUNT,
  summary: 'Who asks',
  answer: { 200: answers('The user and the session.', schemas.me(user), { examples: { ada: { user: EXAMPLE_USER, session: EXAMPLE_SESSION } } }) },
  refused: GUARDED
})

const listSessions: Draft = {
  operationId: 'listSessions',
  tags: ACCOUNT,
  summary: 'The sessions of the user: their devices',
  answer: {
    200: answers('Those that have not expired, blocked ones included, the most recently seen first.', { type: 'array', items: schemas.SESSION }, { examples: { one: [EXAMPLE_SESSION] } })
  },
  refused: GUARDED
}

const endSession: Draft = {
  operationId: 'endSession',
  tags: ACCOUNT,
  summary: 'End one of the user’s sessions',
  description: 'One of another user is as one that is not there.',
  params: schemas.SESSION_ID,
  body: NO_MEMBERS,
  answer: { 204: answersNothing('It has ended.', SIGNED_OUT) },
  refused: [...GUARDED_ACT, toAnswer(notThere())]
}

const changePassword: Draft = {
  operationId: 'changePassword',
  tags: ACCOUNT,
  summary: 'Change the password',
  description: 'All other sessions of the user end, and this one has another secret. `ERR_PASSWORD_CHANGED`: the password is changed, and the rest failed; to send it again would be a wrong guess.',
  body: schemas.PASSWORD,
  answer: { 204: answersNothing('It is changed.', RENEWED) },
  refused: [...GUARDED_ACT, credentials, ...[new StoreError('save'), new SessionGoneError()].map((error) => toAnswer(passwordChanged(error)))]
}

const reauthenticate: Draft = {
  operationId: 'reauthenticate',
  tags: ACCOUNT,
  summary: 'Prove once more who one is',
  description: 'For what asks for a recent sign-in. An access token says it from the next refresh on.',
  body: schemas.REAUTHENTICATE,
  answer: { 204: answersNothing('The session is as after a sign-in of this moment.', RENEWED) },
  refused: [...GUARDED_ACT, credentials, gone]
}

const verify: Draft = {
  operationId: 'verify',
  tags: ['Forward authentication'],
  summary: 'For a proxy: who asks',
  description: 'For `auth_request` of nginx, `ForwardAuth` of Traefik, `forward_auth` of Caddy. The proxy tells the method of the request that it asks about: an unsafe one of another site, with a cookie, is refused.',
  answer: {
    204: answersNothing('Somebody is signed in.', {
      'x-user-id': { type: 'string', description: 'Percent-encoded where it is no printable ASCII.', examples: [EXAMPLE_USER.id] },
      'x-is-admin': { enum: ['true', 'false'], examples: ['false'] },
      'x-session-id': { type: 'string', format: 'uuid', examples: [EXAMPLE_SESSION.id] }
    })
  },
  refused: [...GUARDED, COMMON.crossSite]
}

/**
 * The `schema` of each route.
 *
 * @param document what the application says of its own part of the answers
 */
export function authOperations ({ user = schemas.ANY_USER, refusals = {} }: AuthDocument = {}) {
  const finish = ({ answer, refused, ...operation }: Draft): Operation => {
    const also = refusals[operation.operationId] ?? []
    return { ...operation, response: { ...answer, ...refuses([...refused, ...also.map(toAnswer)]) } }
  }
  return {
    register: finish(register(user)),
    login: finish(login(user)),
    logout: finish(logout),
    logoutOthers: finish(logoutOthers),
    logoutAll: finish(logoutAll),
    refresh: finish(refresh),
    revoke: finish(revoke),
    me: finish(me(user)),
    listSessions: finish(listSessions),
    endSession: finish(endSession),
    changePassword: finish(changePassword),
    reauthenticate: finish(reauthenticate),
    verify: finish(verify)
  }
}

export type AuthOperations = ReturnType<typeof authOperations>
