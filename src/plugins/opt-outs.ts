import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'

/** What Fastify prints where there is no route yet. */
const NO_ROUTES = '(empty tree)'

/**
 * Tells whether the route of a request has opted out of sessions, with `config: { session: false }`. To be called before
 * routes are declared.
 *
 * Requests are asked only where their route may have: Fastify makes an object with all options of the route each time, which
 * is a good part of what a visitor costs. What was declared before is not known, nor what is declared in a context from before,
 * nor a handler of what is not found.
 */
export function optOuts (fastify: FastifyInstance): (request: FastifyRequest) => boolean {
  const hasOptedOut = (request: FastifyRequest): boolean => request.routeOptions.config.session === false
  if (fastify.printRoutes().trim() !== NO_ROUTES) return hasOptedOut
  const routes: RouteOptions[] = []
  const contexts = new Set<FastifyInstance>()
  let some: boolean | undefined
  fastify.addHook('onRoute', function (route) {
    routes.push(route)
    contexts.add(this)
  })
  return (request) => {
    some ??= routes.splice(0).some(({ config }) => config?.session === false) // other hooks may have changed it since
    return (some || request.is404 || !contexts.has(request.server)) && hasOptedOut(request)
  }
}
