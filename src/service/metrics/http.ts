import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is measured of a request. Every text is one of a bounded number, whatever a client sends. */
export interface HttpFacts {
  readonly method: string
  /** The pattern of the route, never the URL; `none`: no route took it. */
  readonly route: string
  readonly status: string
  readonly seconds: number
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export function factsOf (request: FastifyRequest, reply: FastifyReply): HttpFacts {
  const { method, routeOptions: { url } } = request
  return {
    method: METHODS.has(method) ? method : 'other',
    route: url ?? 'none',
    status: String(reply.statusCode),
    seconds: reply.elapsedTime / 1000
  }
}
