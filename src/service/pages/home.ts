import type { FastifyInstance, FastifyRequest } from 'fastify'
import { SessionGoneError } from '../../core/errors.js'
import { getSession } from '../../session/opened.js'
import type { Session } from '../../session/session.js'
import type { PageParts } from './parts.js'
import { render } from './render.js'
import { toMoment } from './time-words.js'

/** Where the visits stand in a session. */
const VISITS = '_visits'

/** `/`: who the service takes you for. Counts visits in a session that is there; begins none. */
export function homePage (app: FastifyInstance, { accounts }: PageParts): void {
  app.get('/', async (request, reply) => {
    const session = getSession(request)
    const visits = await countVisit(session, request.method === 'GET')
    const origin = originOf(request)
    if (visits === null) return await render(reply, 'stranger', { origin })
    const { id, userId, createdAt, expiresAt } = session
    const user = userId === null ? null : await accounts.findUser(userId)
    const now = Date.now()
    const seen = { id, userId, visits, began: toMoment(createdAt, now), ends: toMoment(expiresAt, now) }
    return await render(reply, 'home', { origin, session: seen, email: user?.email ?? null })
  })
}

/** Resolves to the number of visits; `null`: there is no session, or it ends this moment. */
async function countVisit (session: Session, isVisit: boolean): Promise<number | null> {
  if (session.isNew) return null
  if (!isVisit) return toCount(session.get(VISITS))
  try {
    return await session.update(VISITS, (visits: unknown) => toCount(visits) + 1)
  } catch (error) {
    if (error instanceof SessionGoneError) return null
    throw error
  }
}

/** Whatever stands there: rows can be edited by hand. */
const toCount = (value: unknown): number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0

/** Where this page was asked for; a host that is no plain name does not get into a command that people copy. */
function originOf (request: FastifyRequest): string {
  return /^[\w.-]+(?::\d{1,5})?$/.test(request.host) ? `${request.protocol}://${request.host}` : 'http://localhost:3000'
}
