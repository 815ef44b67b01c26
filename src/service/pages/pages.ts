import flash from '@fastify/flash'
import formbody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import type { SiteData } from '../../plugins/auth/options.js'
import { authParts } from '../../plugins/auth/parts.js'
import { identityOfSession } from '../../plugins/identity.js'
import { rejectCrossSite } from '../../session/cross-site.js'
import { forbidCaching } from '../../session/http.js'
import type { Accounts } from '../users/accounts.js'
import { adminPages } from './admin/admin.js'
import type { AdminParts } from './admin/parts.js'
import { protectForms, tokenMaker } from './csrf.js'
import { devicesPage } from './devices.js'
import { handlePageError, showProblem } from './errors.js'
import { homePage } from './home.js'
import { loginPage } from './login.js'
import type { PageParts } from './parts.js'
import { passwordPage } from './password.js'
import { registerPage } from './register.js'
import { signOutForm } from './sign-out.js'

export interface PagesOptions {
  readonly accounts: Accounts
  /** Of which that of the forms' tokens is derived. */
  readonly key: Uint8Array
  readonly clearSiteData: readonly SiteData[]
  readonly admin: AdminParts
}

/** Bytes of a form: an address and three passwords, each byte of them escaped. */
const FORM_BYTES = 16 * 1024

/**
 * The pages, in a context of their own: what is sent to them is a form with its token, and of their own origin; nothing of
 * them may be cached; errors are pages for browsers. Whoever is signed in is so by the session cookie alone, and stands in
 * `request.auth` before any guard is asked.
 */
export const pages: FastifyPluginAsync<PagesOptions> = async (app, { accounts, key, clearSiteData, admin }) => {
  const auth = authParts(app, { ...accounts, clearSiteData })
  const { manager } = auth
  const { trustedOrigins } = manager.options

  app.setErrorHandler(handlePageError)
  app.addHook('onRequest', async (request, reply) => {
    forbidCaching(reply)
    if (trustedOrigins !== null) rejectCrossSite(request, trustedOrigins)
    request.auth = identityOfSession(manager.opened(request))
    reply.locals = { user: request.auth, path: request.url.split('?', 1)[0] ?? '', csrf: tokenMaker(reply, manager) }
  })
  app.addHook('onSend', async (request, reply) => { accounts.rememberDevice(request, reply) })
  app.addHook('onSend', showProblem)
  app.removeAllContentTypeParsers()
  await app.register(formbody, { bodyLimit: FORM_BYTES })
  await app.register(flash)
  await protectForms(app, { manager, key })

  const parts: PageParts = { auth, accounts }
  for (const page of [homePage, loginPage, registerPage, signOutForm, devicesPage, passwordPage]) page(app, parts)
  await app.register(adminPages, admin)
}
