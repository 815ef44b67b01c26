import Fastify from 'fastify'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { LogLevel } from './config.js'

/** Where nothing of a credential may be written, and what the driver quotes of a row. */
const REDACTED = [
  ...['req', 'request', 'res', 'reply', 'err'].flatMap((part) => ['cookie', 'authorization', '["set-cookie"]', '["proxy-authorization"]']
    .map((header) => `${part}.headers${header.startsWith('[') ? '' : '.'}${header}`)),
  ...['detail', 'where', 'internalQuery'].map((field) => `err.${field}`)
]

/** Of a path, far more than any of ours has. */
const MAX_PATH = 200

/** A refresh or access token, which nobody but a client gone wrong puts into a path. */
const TOKEN = /(?:rt_|eyJ)[\w.-]{16,}/g

/** What takes the lines of a log. */
export interface LogStream { write (line: string): void }

/**
 * Makes the log of the service: Pino as Fastify makes it, JSON lines, without cookies, tokens, `Authorization`, and what
 * stands in the query of a URL.
 *
 * @param stream default: standard output
 */
export function createLog (level: LogLevel, stream?: LogStream): FastifyBaseLogger {
  const redact = { paths: REDACTED, censor: '[redacted]' }
  return Fastify({ logger: { level, redact, serializers: { req: describe }, ...(stream !== undefined && { stream }) } }).log
}

/** What a line says of a request: as Fastify does, but of its URL the path alone, without tokens, and not all of a long one. */
function describe ({ method, url, host, ip, socket }: FastifyRequest) {
  const path = String(url).split('?', 1)[0]?.replace(TOKEN, '[redacted]').slice(0, MAX_PATH) ?? '' // what others log as `req` may have none
  return { method, url: path, host, remoteAddress: ip, ...(socket?.remotePort !== undefined && { remotePort: socket.remotePort }) }
}
