import type { FastifyReply } from 'fastify'

/**
 * Moves status and headers of a Response to the reply and returns its body; returns any other payload as it is.
 *
 * Fastify does the same after all hooks, where the headers of the Response would replace those of the session's cookie.
 */
export function unwrapResponse (reply: FastifyReply, payload: unknown): unknown {
  if (!isResponse(payload) || payload.bodyUsed) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}

/** As Fastify tells one: of any implementation of fetch. */
function isResponse (payload: unknown): payload is Response {
  return typeof payload === 'object' && Object.prototype.toString.call(payload) === '[object Response]'
}
