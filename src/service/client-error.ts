import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { PROBLEM_TYPE } from '../core/problem.js'
import { general } from '../plugins/problems.js'

/** What hooks would have set. */
const SAFE = 'Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n'

/**
 * Answers bytes that are no HTTP request, which no hook or handler sees: 400, 408 or 431, and the connection is closed.
 */
export function answerClientError (error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const { problem } = general(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400)
  const body = JSON.stringify(problem)
  if (socket.writable) {
    socket.write(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${SAFE}Connection: close\r\n\r\n${body}`)
  }
  socket.destroy(error)
}
