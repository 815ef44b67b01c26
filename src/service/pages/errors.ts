import type { FastifyReply, FastifyRequest, onSendAsyncHookHandler } from 'fastify'
import { PROBLEM_TYPE } from '../../core/problem.js'
import type { Problem } from '../../core/problem.js'
import { handleError, RequestError } from '../../plugins/problems.js'
import { isUnsafe } from '../../session/cross-site.js'
import { addVary } from '../../session/http.js'
import { UnauthenticatedError } from '../../tokens/errors.js'
import { isOutOfDate } from './csrf.js'
import { waitIn } from './form.js'
import type { Refusal } from './form.js'
import { localPath } from './local-path.js'
import { prefersPage } from './prefers-page.js'

/** What a page says of a problem. */
interface Words {
  readonly title: string
  readonly text: string
}

const WORDS: Readonly<Record<string, Words>> = {
  ERR_NOT_FOUND: { title: 'There is nothing here', text: 'Perhaps the address has a slip in it, or what was here is gone.' },
  ERR_METHOD: { title: 'This address does not take that', text: 'Pages are read, and forms are sent from the page that they stand on.' },
  ERR_CSRF: { title: 'This form is out of date', text: 'You have signed in or out since it was shown, or your browser keeps no cookies. Nothing was changed. Go back, load the page anew and send it again.' },
  ERR_CROSS_SITE: { title: 'This came from another site', text: 'A page of another site sent this request in your name. It was refused, and nothing was changed.' },
  ERR_FORBIDDEN: { title: 'This is for administrators', text: 'You are signed in, but not as one of them.' },
  ERR_OWN_ACCOUNT: { title: 'This is your own account', text: 'Administrators cannot block, end or disable themselves here: nobody might be left to undo it. Nothing was changed. Sign out, or end your other sessions under “Devices”.' },
  ERR_TOO_LARGE: { title: 'That was too much', text: 'What you sent is larger than any form of this service.' },
  ERR_MEDIA_TYPE: { title: 'This is not a form', text: 'This address takes forms as browsers send them, and nothing else.' }
}

const SESSION_GONE: Words = { title: 'Your session has just ended', text: 'It was ended from another device, or it ran out while you were here.' }

/** The last resort of the pages' requests: whoever must sign in is led there, and all else becomes a problem, which `showProblem` shows. */
export function handlePageError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof UnauthenticatedError && prefersPage(request)) return reply.redirect(signInUrl(request), 303)
  return handleError(toRefusal(error), request, reply)
}

const OUT_OF_DATE: Refusal = {
  errors: [{ field: null, text: 'This form was out of date: another page was opened after it. Send it once more. If that does not help, let your browser keep the cookies of this site.' }],
  status: 403,
  headers: {}
}

/**
 * The errorHandler of a form for strangers. To tabs that are opened at once each answer brings a cookie, of which the
 * browser keeps the last: the forms of the others are shown again, filled in, with a token that holds.
 */
export function orShowAgain (show: (request: FastifyRequest, reply: FastifyReply, refusal: Refusal) => Promise<string>): (...given: Parameters<typeof handlePageError>) => Promise<FastifyReply | string> {
  return async (error, request, reply) => {
    if (!isOutOfDate(error) || request.auth !== null || !prefersPage(request)) return handlePageError(error, request, reply)
    addVary(reply, 'Accept')
    return await show(request, reply, OUT_OF_DATE)
  }
}

/** An onSend hook: a problem document becomes a page for whoever would rather have one, whoever wrote it. */
export const showProblem: onSendAsyncHookHandler = async (request, reply, payload) => {
  if (typeof payload !== 'string' || reply.getHeader('content-type') !== PROBLEM_TYPE) return payload
  addVary(reply, 'Accept')
  if (!prefersPage(request)) return payload
  const problem = JSON.parse(payload) as Problem // by its type
  reply.type('text/html; charset=utf-8').removeHeader('content-length')
  return await reply.viewAsync('error', { ...wordsFor(problem, reply), status: problem.status, requestId: request.id })
}

/** Where a visitor signs in who has come to a page that needs it. */
function signInUrl ({ method, url, server, routeOptions }: FastifyRequest): string {
  const [path = ''] = url.split('?', 1)
  const isPage = method === 'GET' || method === 'HEAD'
  const next = localPath(isPage ? url : server.hasRoute({ method: 'GET', url: routeOptions.url ?? path }) ? path : null)
  return next === null ? '/login' : `/login?next=${encodeURIComponent(next)}`
}

/** The errors of the plugins of the pages, as ours. */
function toRefusal (error: unknown): unknown {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  if (isOutOfDate(error)) return new RequestError(403, 'ERR_CSRF', 'the token of the form is not that of this session')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new RequestError(415, 'ERR_MEDIA_TYPE', 'the body must be application/x-www-form-urlencoded')
  return error
}

function wordsFor ({ code, status, detail }: Problem, reply: FastifyReply): Words {
  const wait = waitIn(reply.getHeader('retry-after'))
  if (status === 429) return { title: 'Too many attempts', text: `There were more attempts than are allowed. Try again ${wait}.` }
  if (status === 414) return { title: 'This address is too long', text: 'Nothing here has one as long. Perhaps something was pasted into it.' }
  if (status === 503) return doubtful({ title: 'The service does not answer', text: `It is starting, or its database cannot be reached. Try again ${wait}.` }, reply)
  if (code === 'ERR_SESSION_GONE') return doubtful(SESSION_GONE, reply)
  const known = WORDS[code]
  if (known !== undefined) return known
  if (status >= 500) return doubtful({ title: 'Something went wrong', text: 'The fault is ours. The log of the service says more, under the number below.' }, reply)
  return { title: 'This could not be done', text: detail === undefined ? 'The request was refused.' : `The request was refused: ${detail}.` }
}

/** A form may have been carried out in part, or when nobody waited for it any more. */
function doubtful ({ title, text }: Words, { request }: FastifyReply): Words {
  return { title, text: isUnsafe(request.method) ? `${text} Whether what you sent was done is not known: look before you send it again.` : text }
}
