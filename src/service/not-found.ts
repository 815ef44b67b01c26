import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { general, RequestError, sendAnswer, toAnswer } from '../plugins/problems.js'
import { showProblem } from './pages/errors.js'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** A URL that the router cannot take apart: one that cannot be decoded, or has a part that is too long. */
interface UnreadableUrl {
  readonly error: Error
  /** Of the request, as it was logged with its own URL. */
  readonly id: string
}

const unreadable = new WeakMap<IncomingMessage, UnreadableUrl>()
/** Read by every router, and nowhere. */
const NOWHERE = '/%25'

export const unreadableUrl = (request: IncomingMessage): UnreadableUrl | undefined => unreadable.get(request)

/**
 * Answers a request that the router has refused before any hook has run: as one that leads nowhere, with all headers, the
 * look at readiness, and a page for browsers.
 */
export function answerUnreadable (app: FastifyInstance, url: UnreadableUrl, request: IncomingMessage, response: ServerResponse): void {
  unreadable.set(request, url)
  request.url = NOWHERE
  app.routing(request, response)
}

/** What no route takes. In a context of its own, outside that of the sessions: a page for browsers, without a query. */
export const notFound: FastifyPluginAsync = async (app) => {
  app.addHook('onSend', showProblem)
  app.setNotFoundHandler(answerNotFound(app))
}

/**
 * 404; 405 with `Allow` for a path that is there under other methods (RFC 9110 section 15.5.6); `OPTIONS` on such a path
 * with `Allow` alone: no other site is invited.
 */
function answerNotFound (app: FastifyInstance): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (request, reply) => {
    const refused = unreadableUrl(request.raw)
    if (refused !== undefined) return sendAnswer(reply, toAnswer(refused.error))
    const url = request.url.split('?', 1)[0] ?? ''
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url }))
    if (allowed.length === 0) return sendAnswer(reply, general(404))
    reply.header('allow', [...allowed, 'OPTIONS'].join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    return sendAnswer(reply, toAnswer(new RequestError(405, 'ERR_METHOD', 'this path does not take that method')))
  }
}
