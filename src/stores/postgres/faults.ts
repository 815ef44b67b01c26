/** What a driver's error says about the statement and the connection. Codes only: nobody matches on a message. */

import { StoreError } from '../../core/errors.js'

/** SQLSTATEs after which, outside a transaction, the connection is as good as before: data, constraints, limits, lock waits. */
const HARMLESS = /^(?:22|23|40|54)|^55P03$|^42/
/** The statement was undone because of others; the same again may succeed (3B-19). */
const TRANSIENT = new Set(['40001', '40P01'])
/** The connection or the server behind it went, not the statement. */
const CONNECTION = /^08|^57P0[123]$|^53300$|^25006$|^25P03$/
const SOCKET = new Set(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ENOENT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])
/** One row of a batch can be guilty of these: values out of range, constraints, limits of the server. */
const DATA = /^(?:22|23|54)/

/** The five characters of a server's error, or the system's code of a socket's; empty when the error has none. */
export function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

export const isTransient = (error: unknown): boolean => TRANSIENT.has(codeOf(error))

/** Whether the connection must not be used again. Anything that is not known to be harmless counts. */
export const spoilsConnection = (error: unknown): boolean => !HARMLESS.test(codeOf(error))

/** Whether the data of the statement were refused, and not the statement, the server or the connection. */
export const isDataFault = (error: unknown): boolean => DATA.test(codeOf(error))

/**
 * Whether a batch failed for what one of its rows held, or for what others did to one (40001 under REPEATABLE READ, 40P01): nothing
 * of it was done, and one by one the others succeed.
 */
export const isFaultOfOne = (error: unknown): boolean => error instanceof StoreError && (isDataFault(error.cause) || isTransient(error.cause))

/** Whether another connection may succeed at once. The driver's own errors of a lost connection carry no code. */
export const isLostConnection = (error: unknown): boolean => {
  const code = codeOf(error)
  return code === '' ? !(error instanceof DeadlineError) : CONNECTION.test(code) || SOCKET.has(code)
}

/** The time that the caller was promised is over. */
export class DeadlineError extends Error {
  constructor (ms: number) {
    super(`no answer within ${ms} ms`)
  }
}
