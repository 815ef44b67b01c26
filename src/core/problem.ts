import { STATUS_CODES } from 'node:http'

/** The media type of a problem document (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** What a problem may say besides. */
export interface ProblemMembers {
  /** The part of the request that is wrong. */
  readonly field?: string | undefined
  /** What clients of OAuth look for (RFC 6749 section 5.2, RFC 6750 section 3.1). */
  readonly error?: string | undefined
}

/** A problem document: `status` is the HTTP status, `code` is stable, `detail` is for people. */
export interface Problem extends ProblemMembers {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail?: string
}

/** A problem document. Nothing of a cause, a stack or a value goes in; members that are undefined are left out. */
export function toProblem (status: number, code: string, detail?: string, { field, error }: ProblemMembers = {}): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    ...(detail !== undefined && { detail }),
    ...(field !== undefined && { field }),
    ...(error !== undefined && { error })
  }
}
