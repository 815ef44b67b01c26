import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { signOut } from '../../plugins/auth/sign-out.js'
import type { PageParts } from './parts.js'

/** Where whoever has signed out is led. */
export const SIGNED_OUT_URL = '/login?notice=signed-out'

/** `/logout`: the form that stands on every page. */
export function signOutForm (app: FastifyInstance, { auth }: PageParts): void {
  const leave = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    await signOut({ ...auth, request, reply })
    return reply.redirect(SIGNED_OUT_URL, 303)
  }

  app.post('/logout', {
    // Before the token of the form is asked for: it was that of a session that has ended since, or is blocked. Cookies of
    // either, and of tokens, may be left. Other sites have been refused, as for `POST /auth/logout`.
    onRequest: async (request, reply) => { if (request.auth === null) return await leave(request, reply) }
  }, leave)
}
