import type { onRequestHookHandler } from 'fastify'
import { UnauthenticatedError } from '../../tokens/errors.js'

/** An onRequest hook: for those who are signed in. Others are led to `/login`, and back. */
export const signedIn: onRequestHookHandler = (request, _reply, done) => {
  done(request.auth === null ? new UnauthenticatedError(false) : undefined)
}
