import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RequestError } from './problems.js'

/** The schema of a body where there is nothing to say: absent, which arrives as null, or an object without members. */
export const NO_MEMBERS = Object.freeze({ type: 'object', nullable: true, additionalProperties: false })

/**
 * Takes bodies of JSON in UTF-8 and no others: 415 for another type, charset or a compressed body, 400 for bytes that are
 * no UTF-8. A body that is empty is none, whatever its type says: every member of it may be optional.
 */
export function takeJsonOnly (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      refuseEncodings(request)
      const text = decode(body)
      if (text === '') done(null, undefined)
      else void parse(request, text, done)
    } catch (error) {
      done(error instanceof Error ? error : new Error('the body could not be read', { cause: error }))
    }
  })
}

function refuseEncodings ({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(headers['content-type'] ?? '')?.[1] ?? 'utf-8'
  if (encoding.toLowerCase() !== 'identity') throw new RequestError(415, 'ERR_MEDIA_TYPE', 'the body must not be compressed')
  if (!/^utf-?8$/i.test(charset)) throw new RequestError(415, 'ERR_MEDIA_TYPE', 'the body must be UTF-8')
}

/** The plain decoder would put U+FFFD for what it cannot read, and that would be stored. */
function decode (body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    throw new RequestError(400, 'ERR_VALIDATION', 'the body is not UTF-8')
  }
}
