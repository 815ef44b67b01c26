import csrfProtection from '@fastify/csrf-protection'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { deriveKey } from '../../core/keys.js'
import { isUnsafe } from '../../session/cross-site.js'
import type { SessionManager } from '../../session/session-manager.js'
import { textOf } from './form.js'

/** The keys by which the cookie of the tokens is signed, newest first. */
export const csrfCookieKeys = (keys: readonly Uint8Array[]): Buffer[] => keys.map((key) => deriveKey(key, 'csrf cookie', ''))

/**
 * Tokens against forged forms: a signed double submit, which needs no row for a stranger. A token is bound to the session
 * and its secret by an HMAC (OWASP CSRF, "Signed Double-Submit Cookie"): that of another session, or of before a sign-in
 * or a change of password, does not hold. Checked for every unsafe request of the context.
 *
 * While the keys are rotated, forms of before are refused once, and said to be out of date.
 */
export async function protectForms (app: FastifyInstance, { manager, key }: { readonly manager: SessionManager, readonly key: Uint8Array }): Promise<void> {
  const { secure } = manager.options.cookie
  await app.register(csrfProtection, {
    cookieKey: secure ? '__Host-csrf' : 'csrf',
    // lax, not strict: else whoever comes by a link from elsewhere gets another one, and the forms in their other tabs fail
    cookieOpts: { path: '/', httpOnly: true, sameSite: 'lax', secure, signed: true },
    csrfOpts: { hmacKey: deriveKey(key, 'csrf token', '').toString('base64url'), userInfo: true },
    getUserInfo: (request) => holderOf(request, manager),
    getToken: (request) => textOf(request.body, '_csrf')
  })
  app.addHook('preValidation', (request, reply, done) => {
    if (isUnsafe(request.method)) app.csrfProtection(request, reply, done)
    else done()
  })
}

/** Whether a form was refused for its token. */
export function isOutOfDate (error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  return code === 'FST_CSRF_MISSING_SECRET' || code === 'FST_CSRF_INVALID_TOKEN'
}

/** One token an answer, made when a form asks for it: a stranger who is shown no form gets no cookie. */
export function tokenMaker (reply: FastifyReply, manager: SessionManager): () => string {
  let token: string | undefined
  return () => (token ??= reply.generateCsrf({ userInfo: holderOf(reply.request, manager) }))
}

/** Whose forms they are. */
function holderOf (request: FastifyRequest, manager: SessionManager): string {
  const record = manager.opened(request)?.record ?? null
  return record === null ? 'stranger' : `${record.id} ${Buffer.from(record.secretHash).toString('base64url')}`
}
