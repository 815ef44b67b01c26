import type { FastifyPluginAsync } from 'fastify'
import { toProblem } from '../../core/problem.js'
import type { Readiness } from '../database.js'
import { sendAnswer } from '../../plugins/problems.js'
import * as operations from '../openapi/watch.js'

const RETRY_SECONDS = '3'

/**
 * For whoever watches the service. `/livez`: the process runs, 200. `/readyz`: the database answers and its tables fit
 * now, 200, or 503 `ERR_NOT_READY` with the reasons by name. Neither has a session.
 */
export const healthRoutes: FastifyPluginAsync<{ readiness: Pick<Readiness, 'check'> }> = async (app, { readiness }) => {
  const config = { always: true, session: false }

  app.get('/livez', { schema: operations.livez, config, logLevel: 'warn' }, async (_request, reply) => {
    reply.header('cache-control', 'no-store')
    return { status: 'ok' }
  })

  app.get('/readyz', { schema: operations.readyz, config, logLevel: 'warn' }, async (_request, reply) => {
    const { reasons, warnings } = await readiness.check()
    if (reasons.length === 0) {
      reply.header('cache-control', 'no-store')
      return { status: warnings.length === 0 ? 'ok' : 'degraded', warnings }
    }
    const problem = { ...toProblem(503, 'ERR_NOT_READY', reasons.join('; ')), reasons, warnings }
    return await sendAnswer(reply, { problem, headers: { 'retry-after': RETRY_SECONDS } })
  })
}
