import { STATUS_CODES } from 'node:http'

/** The media type of a problem document (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** A problem document: `status` is the HTTP status, `code` is stable, `detail` is for people. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail?: string
}

/** A problem document. Nothing of a cause, a stack or a value goes in. */
export function toProblem (status: number, code: string, detail?: string): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, ...(detail !== undefined && { detail }) }
}
