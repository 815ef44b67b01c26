import type { FastifyInstance, FastifyRequest } from 'fastify'
import { identityOf, notThere } from '../../../plugins/auth/parts.js'
import { deviceOf } from '../../../plugins/device.js'
import { invalid } from '../../../plugins/problems.js'
import { ownAccount } from '../../admin/acts.js'
import { searchSessions } from '../../admin/session-list.js'
import { emailsOf } from '../../admin/user-list.js'
import type { SessionEvent } from '../../events/event.js'
import { isToldBetter } from '../../events/story.js'
import { toWords } from '../../events/words.js'
import { textOf } from '../form.js'
import { notify } from '../notices.js'
import { render } from '../render.js'
import { toMoment } from '../time-words.js'
import { otherwiseGone } from './gone.js'
import type { AdminParts } from './parts.js'
import { sentence, shorten, toSessionRow } from './rows.js'
import { findUrl, sessionUrl, userUrl } from './urls.js'

type OfUser = { Params: { id: string } }

const MOST_EVENTS = 50

/** `/admin/users/:id`: a user, their sessions and what has happened to them, and what can be done to the user. */
export function userPage (app: FastifyInstance, parts: AdminParts): void {
  app.get<OfUser>('/admin/users/:id', async (request, reply) =>
    await render(reply, 'admin/user', await look(parts, request.params.id, request)))

  app.post<OfUser>('/admin/users/:id', async (request, reply) => {
    const { id } = request.params
    if (id === identityOf(request).userId) throw ownAccount('this is your own account')
    const done = await act(parts, request, id).catch(otherwiseGone)
    notify(request, done ?? 'There is no such user any more.')
    return reply.redirect(userUrl(id), 303)
  })
}

/** Resolves to what is said of it then. */
async function act ({ acts }: AdminParts, request: FastifyRequest, id: string): Promise<string> {
  switch (textOf(request.body, 'act')) {
    case 'logout': return `The user is signed out. ${endedIn(await acts.logOutUser(request, id))}`
    case 'disable': return `The user is disabled. ${endedIn(await acts.disableUser(request, id))}`
    case 'enable': return await acts.enableUser(request, id).then(() => 'The user may sign in again.')
    default: throw invalid('act', 'must be "logout", "disable" or "enable"')
  }
}

const endedIn = (count: number): string => count === 0 ? 'There was no session to end.' : count === 1 ? 'One session has ended.' : `${count} sessions have ended.`

/** A user of the service, or one of another application, of whom there are sessions or events alone. @throws RequestError 404 */
async function look ({ database, users, events }: AdminParts, id: string, request: FastifyRequest) {
  const { userId, sessionId: currentId } = identityOf(request)
  const [account, page, happened] = [await users.get(id), await searchSessions(database, { user: id }, currentId), await events.ofUser(id, { limit: MOST_EVENTS })]
  if (account === null && page.sessions.length === 0 && happened.length === 0) throw notThere()
  const actors = await emailsOf(database, happened.flatMap(({ actorId }) => actorId ?? []))
  const told = happened.filter((event) => !isToldBetter(event, happened.filter(({ sessionId }) => sessionId === event.sessionId)))
  const now = Date.now()
  return {
    id,
    name: account?.user.email ?? id,
    isOwn: id === userId,
    account: account === null ? null : { isAdmin: account.user.isAdmin, isDisabled: account.isDisabled, registered: toMoment(account.user.createdAt, now) },
    sessions: page.sessions.map((entry) => toSessionRow(entry, now)),
    nextUrl: page.cursor === null ? null : findUrl({ user: id, cursor: page.cursor }),
    events: told.map((event) => toEventRow(event, actors, now)),
    mostEvents: happened.length === MOST_EVENTS ? MOST_EVENTS : null
  }
}

function toEventRow (event: SessionEvent, actors: ReadonlyMap<string, string>, now: number) {
  const { at, sessionId, clientIp, userAgent, actorId } = event
  return {
    at: toMoment(at, now),
    text: sentence(toWords(event)),
    device: deviceOf(userAgent),
    network: clientIp === null ? null : { name: clientIp, url: findUrl({ q: clientIp }) },
    session: sessionId === null ? null : { name: shorten(sessionId), url: sessionUrl(sessionId) },
    actor: actorId === null ? null : { name: actors.get(actorId) ?? actorId, url: userUrl(actorId) }
  }
}
