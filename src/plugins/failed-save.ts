import type { FastifyReply } from 'fastify'
import { StoreError } from '../core/errors.js'
import type { SessionError } from '../core/errors.js'
import { PROBLEM_TYPE, toProblem } from '../core/problem.js'
import { addVary } from '../session/http.js'

/**
 * Headers that stay when an answer is dropped: those that tell a browser who may read it and how to treat it. They are
 * the application's policy, not the handler's result.
 */
const KEPT = /^(?:access-control-.*|vary|x-request-id|request-id|strict-transport-security|content-security-policy(?:-report-only)?|x-content-type-options|x-frame-options|referrer-policy|permissions-policy|cross-origin-.*|origin-agent-cluster|x-dns-prefetch-control|x-download-options|x-permitted-cross-domain-policies|x-xss-protection)$/

/**
 * Turns the answer of a handler into that of a failed save or load: nothing of the handler's headers, cookies or payload
 * is left. Returns the new payload, a problem document.
 */
export function replaceAnswer (reply: FastifyReply, payload: unknown, error: SessionError): string {
  discard(payload)
  for (const name of Object.keys(reply.getHeaders())) {
    if (!KEPT.test(name)) reply.removeHeader(name)
  }
  reply.code(error.statusCode)
  const { vary, ...headers } = error.headers
  reply.headers({ ...headers, 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' })
  for (const field of vary?.split(', ') ?? []) addVary(reply, field)
  const detail = error instanceof StoreError ? 'the session storage did not answer; try again' : error.message
  return JSON.stringify(toProblem(error.statusCode, error.code, detail))
}

/** Ends whatever Fastify would have streamed: a web stream, or what has a `destroy`, whosever stream it is. */
function discard (payload: unknown): void {
  if (payload instanceof ReadableStream) payload.cancel().catch(() => { /* nobody reads it */ })
  else if (isDestroyable(payload)) payload.destroy()
}

function isDestroyable (payload: unknown): payload is { destroy (): void } {
  return typeof payload === 'object' && payload !== null && 'destroy' in payload && typeof payload.destroy === 'function'
}
