import type { FastifyPluginAsync } from 'fastify'
import { SessionTooLargeError, SessionValueError } from '../../core/errors.js'
import { getSession } from '../../session/opened.js'
import type { Session } from '../../session/session.js'
import { LIMITS } from '../throttle/limits.js'
import type { Throttle } from '../throttle/throttle.js'
import * as operations from '../openapi/session.js'
import { invalid, RequestError } from '../../plugins/problems.js'

/** Keys that begin so are the service's own: no client sees or writes them. */
const OWN = '_'

interface Patch {
  readonly set?: Readonly<Record<string, unknown>>
  readonly unset?: readonly string[]
}

/** The session of whoever asks: read it, change its values, end it. */
export const sessionRoutes: FastifyPluginAsync<{ throttle: Throttle }> = async (app, { throttle }) => {
  app.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  app.get('/session', { schema: operations.readSession }, async (request) => view(getSession(request)))

  app.patch<{ Body: Patch | null | undefined }>('/session', { schema: operations.changeSession }, async (request) => {
    const session = getSession(request)
    const { set = {}, unset = [] } = request.body ?? {}
    checkKeys(Object.keys(set), unset)
    if (!session.isNew) await throttle.reserve([{ limit: LIMITS.write, of: session.id }], request, { sessionId: session.id, userId: session.userId })
    else if (Object.keys(set).length > 0) await throttle.reserve(throttle.from(LIMITS.begin, request.ip), request)
    await change(session, set, unset)
    return view(session)
  })

  app.delete('/session', { schema: operations.endOwnSession }, async (request, reply) => {
    await getSession(request).destroy()
    return await reply.code(204).send()
  })
}

/** All of the change, or nothing of it. @throws RequestError 422 `ERR_SESSION_VALUE`; the errors of `Session.save` */
async function change (session: Session, set: Readonly<Record<string, unknown>>, unset: readonly string[]): Promise<void> {
  try {
    for (const key of unset) session.delete(key)
    for (const [key, value] of Object.entries(set)) session.set(key, value)
    await session.save()
  } catch (error) {
    // drops what is pending, so that the answer to the refusal does not save it
    if (error instanceof SessionValueError || error instanceof SessionTooLargeError) await session.reload()
    if (error instanceof SessionValueError) throw new RequestError(422, error.code, error.message, error.key.slice(0, 80))
    throw error
  }
}

function checkKeys (set: readonly string[], unset: readonly string[]): void {
  for (const key of [...set, ...unset]) {
    if (key.startsWith(OWN)) throw invalid(key, `must not begin with "${OWN}": such keys are the service's own`)
  }
  const both = set.find((key) => unset.includes(key))
  if (both !== undefined) throw invalid(both, 'must not stand in both "set" and "unset"')
}

/** What the client may see. Of a visitor without a row: that there is nothing. */
function view (session: Session) {
  const { isNew } = session
  return {
    id: isNew ? null : session.id,
    isNew,
    userId: session.userId,
    createdAt: isNew ? null : session.createdAt,
    expiresAt: isNew ? null : session.expiresAt,
    values: Object.fromEntries(Object.entries(session.values).filter(([key]) => !key.startsWith(OWN)))
  }
}
