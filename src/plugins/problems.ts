import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { SessionError, SessionValueError, StoreError } from '../core/errors.js'
import { PROBLEM_TYPE, toProblem } from '../core/problem.js'
import type { Problem } from '../core/problem.js'
import { addVary } from '../session/http.js'
import { TokenError } from '../tokens/errors.js'
import { noteLogged } from './logged-errors.js'

/**
 * A refusal that a route, or a callback of the auth routes, decides: 400 `ERR_VALIDATION` naming the field, 422 for what
 * is well-formed and cannot be done, 429 with `retry-after`.
 */
export class RequestError extends Error {
  readonly statusCode: number
  readonly code: string
  /** The part of the request that is wrong. */
  readonly field: string | undefined
  /** Set on the answer. */
  readonly headers: Readonly<Record<string, string>>
  override get name (): string { return 'RequestError' }
  /** @param detail what a person is told: never anything secret, never what the request holds */
  constructor (statusCode: number, code: string, detail: string, field?: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.statusCode = statusCode
    this.code = code
    this.field = field
    this.headers = headers
  }
}

/** A field of a request is missing, unknown or of the wrong kind. */
export const invalid = (field: string, reason: string): RequestError =>
  new RequestError(400, 'ERR_VALIDATION', `"${shorten(field)}" ${reason}`, shorten(field))

/** What is said of errors that are not ours, by their status. Their own messages may quote the request. */
const GENERAL: ReadonlyMap<number, { readonly code: string, readonly detail: string }> = new Map([
  [400, { code: 'ERR_VALIDATION', detail: 'the request could not be read' }],
  [404, { code: 'ERR_NOT_FOUND', detail: 'there is nothing here' }],
  [408, { code: 'ERR_TIMEOUT', detail: 'the request did not come in time' }],
  [413, { code: 'ERR_TOO_LARGE', detail: 'the body is too large' }],
  [414, { code: 'ERR_TOO_LARGE', detail: 'the URL is too long' }],
  [415, { code: 'ERR_MEDIA_TYPE', detail: 'the body must be application/json' }],
  [431, { code: 'ERR_TOO_LARGE', detail: 'the headers are too large' }]
])
const BODY_FAULTS: ReadonlySet<string> = new Set(['FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_INVALID_CONTENT_LENGTH'])

/** A problem document, and the headers that go with it. */
export interface Answer {
  readonly problem: Problem
  readonly headers: Readonly<Record<string, string>>
}

/** What a client is told of whatever was thrown: nothing of a cause, a stack or a value. */
export function toAnswer (error: unknown): Answer {
  if (error instanceof RequestError) {
    const { statusCode, code, message, field, headers } = error
    return { problem: toProblem(statusCode, code, message, { field }), headers }
  }
  if (error instanceof SessionError) {
    const { statusCode, code, headers } = error
    const oauthError = error instanceof TokenError ? error.oauthError ?? undefined : undefined
    return { problem: toProblem(statusCode, code, detailOf(error), { error: oauthError }), headers }
  }
  if (!(error instanceof Error)) return general(500)
  const { statusCode = 500, code, validation } = error as Partial<FastifyError> // what Fastify's own errors have
  const fault = validation?.[0]
  if (fault === undefined) return general(statusCode, code)
  const field = fieldOf(fault)
  return { problem: toProblem(400, 'ERR_VALIDATION', `"${field}" ${fault.message ?? 'is not valid'}`, { field }), headers: {} }
}

/** What a client is told by the status alone; anything that is no refusal of ours is a 500 without details. */
export function general (status: number, code = ''): Answer {
  const known = GENERAL.get(status)
  if (known !== undefined) return { problem: toProblem(status, known.code, BODY_FAULTS.has(code) ? 'the body is not JSON that can be taken' : known.detail), headers: {} }
  return { problem: status >= 400 && status < 500 ? toProblem(status, 'ERR_REQUEST') : toProblem(500, 'ERR_INTERNAL'), headers: {} }
}

/** Answers with a problem document. */
export function sendAnswer (reply: FastifyReply, { problem, headers: { vary, ...headers } }: Answer): FastifyReply {
  for (const field of vary?.split(', ') ?? []) addVary(reply, field)
  return reply.code(problem.status).headers({ 'cache-control': 'no-store', ...headers }).type(PROBLEM_TYPE).send(JSON.stringify(problem))
}

/** The last resort of every request. */
export function handleError (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const result = toAnswer(error)
  const { status, code } = result.problem
  if (status < 500) request.log.debug({ err: error }, 'the request was refused')
  else if (error instanceof RequestError) request.log.info({ code }, 'the request was refused') // decided: no fault, and no stack a request of a flood
  else {
    request.log.error({ err: error }, 'the request failed')
    noteLogged(error)
  }
  return sendAnswer(reply, result)
}

function detailOf (error: SessionError): string | undefined {
  if (error instanceof StoreError) return 'the session storage did not answer; try again'
  return error instanceof SessionValueError ? undefined : error.message
}

/** The path of the field from the body on, its parts joined by dots. */
function fieldOf ({ keyword, instancePath, params }: { keyword: string, instancePath: string, params: Record<string, unknown> }): string {
  const own = keyword === 'additionalProperties' ? params['additionalProperty'] : keyword === 'required' ? params['missingProperty'] : undefined
  const path = [...instancePath.split('/').slice(1), ...(typeof own === 'string' ? [own] : [])]
  return shorten(path.join('.') || 'body')
}

const shorten = (text: string): string => text.slice(0, 80).toWellFormed()
