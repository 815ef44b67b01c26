import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { keepCookiesOnFailure, register } from '../../plugins/auth/sign-in.js'
import { orShowAgain } from './errors.js'
import { EMPTY_FORM, refusalFor, repeated, required, textOf, toRefusal } from './form.js'
import type { Refusal } from './form.js'
import { notify } from './notices.js'
import type { PageParts } from './parts.js'
import { render, renderAgain } from './render.js'

/** `/register`: whoever has registered is signed in. */
export function registerPage (app: FastifyInstance, { auth }: PageParts): void {
  app.get('/register', async (request, reply) => {
    if (request.auth !== null) return reply.redirect('/', 303)
    return await render(reply, 'register', { form: EMPTY_FORM })
  })

  app.post('/register', { onSend: keepCookiesOnFailure(auth), errorHandler: orShowAgain(showAgain) }, async (request, reply) => {
    const { body } = request
    const [email, password] = [textOf(body, 'email'), textOf(body, 'password')]
    const refuse = async (refusal: Refusal): Promise<string> => await showAgain(request, reply, refusal)
    const refusal = refusalFor([
      required('email', email, 'Enter your e-mail address.'),
      required('password', password, 'Choose a password.') ?? repeated(password, textOf(body, 'repeat'))
    ])
    if (refusal !== null) return await refuse(refusal)
    try {
      await register({ email, password }, { transport: 'none', remember: undefined }, { ...auth, request, reply })
    } catch (error) {
      return await refuse(toRefusal(error, ['email', 'password']))
    }
    notify(request, 'Your account is made, and you are signed in.')
    return reply.redirect('/', 303)
  })
}

async function showAgain ({ body }: FastifyRequest, reply: FastifyReply, refusal: Refusal): Promise<string> {
  return await renderAgain(reply, 'register', refusal, { values: { email: textOf(body, 'email') } })
}
