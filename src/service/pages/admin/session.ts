import type { FastifyInstance, FastifyRequest } from 'fastify'
import { identityOf, notThere } from '../../../plugins/auth/parts.js'
import { deviceOf } from '../../../plugins/device.js'
import { invalid } from '../../../plugins/problems.js'
import { MAX_BLOCK_REASON } from '../../../session/block-reason.js'
import { ownAccount } from '../../admin/acts.js'
import { searchSessions } from '../../admin/session-list.js'
import { emailsOf } from '../../admin/user-list.js'
import type { SessionEvent } from '../../events/event.js'
import { storyOf } from '../../events/story.js'
import { textOf } from '../form.js'
import { notify } from '../notices.js'
import { render } from '../render.js'
import { toMoment } from '../time-words.js'
import { otherwiseGone } from './gone.js'
import type { AdminParts } from './parts.js'
import { sentence, shorten } from './rows.js'
import { findUrl, sessionUrl, userUrl } from './urls.js'

type OfSession = { Params: { id: string } }

/** `/admin/sessions/:id`: a session, also one that is gone: its story, and what can be done to it. */
export function sessionPage (app: FastifyInstance, parts: AdminParts): void {
  app.get<OfSession>('/admin/sessions/:id', async (request, reply) => {
    const { id } = request.params
    const found = await look(parts, id, identityOf(request).sessionId)
    if ('newId' in found) return reply.redirect(sessionUrl(found.newId), 302)
    return await render(reply, 'admin/session', found)
  })

  app.post<OfSession>('/admin/sessions/:id', async (request, reply) => {
    const { id } = request.params
    if (id === identityOf(request).sessionId) throw ownAccount('this is your own session: sign out instead')
    const done = await act(parts, request, id).catch(otherwiseGone)
    notify(request, done ?? 'That session had ended already.')
    return reply.redirect(sessionUrl(id), 303)
  })
}

/** Resolves to what is said of it then. */
async function act ({ acts }: AdminParts, request: FastifyRequest, id: string): Promise<string> {
  const reason = textOf(request.body, 'reason').trim()
  switch (textOf(request.body, 'act')) {
    case 'block': return BLOCKED[await acts.blockSession(request, id, reason === '' ? null : reason)]
    case 'unblock': return await acts.unblockSession(request, id).then(() => 'The session goes on.')
    case 'end': return await acts.endSession(request, id).then(() => 'The session has ended.')
    default: throw invalid('act', 'must be "block", "unblock" or "end"')
  }
}

const BLOCKED = { blocked: 'The session is blocked.', already: 'The session was blocked already: its reason stands.' } as const

/** @throws RequestError 404 where nothing is known of it */
async function look ({ database, events }: AdminParts, id: string, currentId: string) {
  const [happened, state, { sessions: [entry] }] = [await events.ofSession(id), await events.stateOf(id), await searchSessions(database, { q: id }, currentId)]
  if (happened.length === 0 && state === null) throw notThere()
  const newId = happened.findLast(({ kind, sessionId }) => kind === 'renewed' && sessionId !== null)?.sessionId ?? id
  if (state === null && newId !== id) return { newId }
  const { lines, why, refreshes } = storyOf(happened, state)
  const userId = state?.userId ?? ownerIn(happened)
  const emails = await emailsOf(database, [userId, ...lines.map(({ actorId }) => actorId)].filter((known) => known !== null))
  const began = happened.find(({ kind }) => kind === 'began')
  const network = entry?.clientIp ?? began?.clientIp ?? null
  const now = Date.now()
  const toPerson = (of: string) => ({ name: emails.get(of) ?? of, url: userUrl(of) })
  return {
    id,
    name: shorten(id),
    isOwn: id === currentId,
    isLive: entry !== undefined,
    isBlocked: entry?.blocked === true,
    longestReason: MAX_BLOCK_REASON,
    why: why === null ? null : sentence(why),
    owner: userId === null ? null : toPerson(userId), // `user` is who looks
    device: entry?.device ?? deviceOf(began?.userAgent ?? null) ?? 'Unknown device',
    network: network === null ? null : { name: network, url: findUrl({ q: network }) },
    moments: momentsOf(entry, began, now),
    refreshes,
    lines: lines.map(({ at, text, clientIp, actorId }) => ({ at: toMoment(at, now), text: sentence(text), clientIp, actor: actorId === null ? null : toPerson(actorId) }))
  }
}

/** When it was what. */
function momentsOf (entry: { readonly createdAt: Date, readonly lastSeenAt: Date, readonly expiresAt: Date } | undefined, began: SessionEvent | undefined, now: number) {
  const named = entry === undefined
    ? [['Began', began?.at] as const]
    : [['Began', entry.createdAt], ['Last seen', entry.lastSeenAt], ['Ends, unless it is used', entry.expiresAt]] as const
  return named.flatMap(([name, at]) => at === undefined ? [] : [{ name, at: toMoment(at, now) }])
}

const ownerIn = (events: readonly SessionEvent[]): string | null => events.find(({ userId }) => userId !== null)?.userId ?? null
