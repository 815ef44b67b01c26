import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync } from 'fastify'
import { showProblem } from '../pages/errors.js'

/** What the page may do: its own scripts, styles and pictures, and requests to this service. Nothing from elsewhere. */
const POLICY = {
  'default-src': "'none'",
  'object-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'"
}

/** `/docs`: the document of the API as a page; `/docs/json` and `/docs/yaml`: itself. */
export const documentPage: FastifyPluginAsync = async (app) => {
  app.addHook('onSend', showProblem)
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, session: false }
    route.logLevel = 'warn'
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: POLICY,
    theme: { title: 'API of silverback' },
    uiConfig: { layout: 'BaseLayout', docExpansion: 'list', defaultModelsExpandDepth: 0, displayOperationId: true, tryItOutEnabled: false }
  })
}
