import type { FastifyReply, FastifyRequest } from 'fastify'
import { getSession } from '../../session/opened.js'
import type { Session } from '../../session/session.js'

/** Where a notice stands in a session: among the service's own keys. */
const KEY = '_flash'
const TYPE = 'notice'

/** What strangers are told after an act of theirs, by the code in the query: they have no session that could keep it. */
const FOR_STRANGERS: ReadonlyMap<unknown, string> = new Map([['signed-out', 'You are signed out.']])

/** Says something on the next page that is shown, where there is a session to keep it: a stranger gets no row by it. */
export function notify (request: FastifyRequest, text: string): void {
  const session = getSession(request)
  if (session.isNew) return
  session.delete(KEY) // one at a time; and rows can be edited by hand
  Reflect.apply(request.flash, { session: flashing(session) }, [TYPE, text])
}

/** What the page is to say; it says it once. `null`: nothing. */
export function takeNotice (reply: FastifyReply): string | null {
  const { request } = reply
  const session = getSession(request)
  if (request.method !== 'GET' || !session.has(KEY)) return null
  const [text]: readonly unknown[] = [Reflect.apply(reply.flash, { request: { session: flashing(session) } }, [TYPE])].flat()
  session.delete(KEY) // else an empty object would be left
  return typeof text === 'string' ? text : null
}

/** `null`: the query says nothing. */
export const strangersNotice = (code: unknown): string | null => FOR_STRANGERS.get(code) ?? null

/** The session as @fastify/flash knows one. It has one key, `flash`, which is the clients' to write. */
function flashing (session: Session): { get (): unknown, set (key: string, value: unknown): void } {
  return { get: () => session.get(KEY), set: (_flash, value) => { session.set(KEY, value) } }
}
