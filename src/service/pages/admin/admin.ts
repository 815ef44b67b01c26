import type { FastifyPluginAsync } from 'fastify'
import { signedIn } from '../signed-in.js'
import { findPage } from './find.js'
import { overviewPage } from './overview.js'
import type { AdminParts } from './parts.js'
import { sessionPage } from './session.js'
import { userPage } from './user.js'

/** The pages for administrators. Strangers are led to the sign-in page, and others are told that it is not for them. */
export const adminPages: FastifyPluginAsync<AdminParts> = async (app, parts) => {
  app.addHook('onRequest', signedIn)
  app.addHook('onRequest', app.requireAdmin)
  for (const page of [overviewPage, findPage, sessionPage, userPage]) page(app, parts)
}
