import type { FastifyPluginAsync } from 'fastify'
import type { Metrics } from '../metrics/metrics.js'
import * as operations from '../openapi/watch.js'

/** `GET /metrics`: figures for Prometheus. Without a session and the store, and before the service is ready, too. */
export const metricsRoute: FastifyPluginAsync<{ metrics: Metrics }> = async (app, { metrics }) => {
  app.get('/metrics', { schema: operations.metrics, config: { always: true, session: false }, logLevel: 'warn' }, async (_request, reply) => {
    reply.header('cache-control', 'no-store').type(metrics.contentType)
    return await metrics.text()
  })
}
