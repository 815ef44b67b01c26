import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'

/** What Fastify prints where there is no route yet. */
const NO_ROUTES = '(empty tree)'

/**
 * Tells whether the route of a request has opted out of sessions, with `config: { session: false }`. To be called before
 * routes are declared.
 *
 * Requests are asked only where some route may have: Fastify makes an object with all options of the route each time, which
 * is a third of what a visitor costs. Routes that were declared before are not known, and may have.
 */
export function optOuts (fastify: FastifyInstance): (request: FastifyRequest) => boolean {
  const isFirst = fastify.printRoutes().trim() === NO_ROUTES
  const routes: RouteOptions[] = []
  let some: boolean | undefined
  fastify.addHook('onRoute', (route) => { routes.push(route) })
  return (request) => {
    some ??= !isFirst || routes.splice(0).some(({ config }) => config?.session === false) // other hooks may have changed it since
    return (some || request.is404) && request.routeOptions.config.session === false
  }
}
