import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { general, RequestError, sendAnswer, toAnswer } from '../plugins/problems.js'
import { showProblem } from './pages/errors.js'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

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
    const url = request.url.split('?', 1)[0] ?? ''
    const allowed = METHODS.filter((method) => app.hasRoute({ method, url }))
    if (allowed.length === 0) return sendAnswer(reply, general(404))
    reply.header('allow', [...allowed, 'OPTIONS'].join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    return sendAnswer(reply, toAnswer(new RequestError(405, 'ERR_METHOD', 'this path does not take that method')))
  }
}
