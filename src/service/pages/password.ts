import type { FastifyInstance } from 'fastify'
import { SessionError } from '../../core/errors.js'
import { endOthersAndRenew, storePassword } from '../../plugins/auth/account.js'
import { identityOf } from '../../plugins/auth/parts.js'
import { RequestError } from '../../plugins/problems.js'
import { EMPTY_FORM, refusalFor, repeated, required, textOf, toRefusal } from './form.js'
import type { Refusal } from './form.js'
import { notify } from './notices.js'
import type { PageParts } from './parts.js'
import { render, renderAgain } from './render.js'
import { signedIn } from './signed-in.js'

/** `/account/password`: another password ends all other sessions. */
export function passwordPage (app: FastifyInstance, { auth, accounts }: PageParts): void {
  /** For password managers, which keep a password under a name. */
  const emailOf = async (userId: string): Promise<string> => (await accounts.findUser(userId))?.email ?? ''

  app.get('/account/password', { onRequest: signedIn }, async (request, reply) =>
    await render(reply, 'password', { form: EMPTY_FORM, email: await emailOf(identityOf(request).userId) }))

  app.post('/account/password', { onRequest: signedIn }, async (request, reply) => {
    const { body } = request
    const [current, next] = [textOf(body, 'current'), textOf(body, 'next')]
    const refuse = async (refusal: Refusal): Promise<string> =>
      await renderAgain(reply, 'password', refusal, { values: {}, email: await emailOf(identityOf(request).userId) })
    const refusal = refusalFor([
      required('current', current, 'Enter your current password.'),
      required('next', next, 'Choose a new password.') ?? repeated(next, textOf(body, 'repeat'))
    ])
    if (refusal !== null) return await refuse(refusal)
    try {
      await storePassword({ current, next }, { ...auth, request, reply })
    } catch (error) {
      return await refuse(isWrong(error) ? { ...toRefusal(error, []), errors: [{ field: 'current', text: 'This is not your current password.' }] } : toRefusal(error, ['current', 'next']))
    }
    try {
      await endOthersAndRenew({ ...auth, request, reply })
    } catch (err) {
      if (!(err instanceof SessionError)) throw err
      request.log.error({ err }, 'a password is changed, and its session could not be renewed')
      reply.code(err.statusCode)
      return await render(reply, 'error', { ...HALF_DONE, status: err.statusCode, requestId: request.id })
    }
    notify(request, 'Your password is changed, and all other devices are signed out.')
    return reply.redirect('/account/sessions', 303)
  })
}

/** The accounts of the service end the other sessions in the statement that changes the password. */
const HALF_DONE = {
  title: 'Your password is changed',
  text: 'All other devices are signed out, too. After that something failed: you may have to sign in again, with the new password.'
}

const isWrong = (error: unknown): boolean => error instanceof RequestError && error.code === 'ERR_CREDENTIALS'
