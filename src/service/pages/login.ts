import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { keepCookiesOnFailure, logIn } from '../../plugins/auth/sign-in.js'
import { orShowAgain } from './errors.js'
import { EMPTY_FORM, refusalFor, required, textOf, toRefusal } from './form.js'
import type { Refusal } from './form.js'
import { localPath } from './local-path.js'
import { notify, strangersNotice } from './notices.js'
import type { PageParts } from './parts.js'
import { render, renderAgain } from './render.js'

interface Queries { readonly next?: unknown, readonly notice?: unknown }

/** `/login`: leads to the path in `next` once somebody has signed in. */
export function loginPage (app: FastifyInstance, { auth }: PageParts): void {
  app.get<{ Querystring: Queries }>('/login', async (request, reply) => {
    const { next, notice } = request.query
    const path = localPath(next)
    if (request.auth !== null) return reply.redirect(path ?? '/', 303)
    return await render(reply, 'login', { form: EMPTY_FORM, next: path, notice: strangersNotice(notice) })
  })

  app.post('/login', { onSend: keepCookiesOnFailure(auth), errorHandler: orShowAgain(showAgain) }, async (request, reply) => {
    const { email, password, remember, next } = fieldsOf(request)
    const refuse = async (refusal: Refusal): Promise<string> => await showAgain(request, reply, refusal)
    const refusal = refusalFor([required('email', email, 'Enter your e-mail address.'), required('password', password, 'Enter your password.')])
    if (refusal !== null) return await refuse(refusal)
    try {
      await logIn({ email, password }, { transport: 'none', remember: remember !== '' }, { ...auth, request, reply })
    } catch (error) {
      return await refuse(toRefusal(error, ['email', 'password']))
    }
    notify(request, 'You are signed in.')
    return reply.redirect(next ?? '/', 303)
  })
}

const fieldsOf = ({ body }: FastifyRequest) =>
  ({ email: textOf(body, 'email'), password: textOf(body, 'password'), remember: textOf(body, 'remember'), next: localPath(textOf(body, 'next')) })

async function showAgain (request: FastifyRequest, reply: FastifyReply, refusal: Refusal): Promise<string> {
  const { email, remember, next } = fieldsOf(request)
  return await renderAgain(reply, 'login', refusal, { values: { email, remember }, next })
}
