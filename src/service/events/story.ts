import { deviceOf } from '../../plugins/device.js'
import type { SessionEvent } from './event.js'
import type { SessionState } from './event-log.js'
import { toWords } from './words.js'

/** Something that happened, in words. */
export interface StoryLine {
  readonly at: Date
  readonly text: string
  readonly clientIp: string | null
  /** The user who did it, where that is another than the session's own. */
  readonly actorId: string | null
}

/** What has happened to a session. */
export interface Story {
  /** Oldest first. */
  readonly lines: readonly StoryLine[]
  /** Why the session has ended, or refuses everything; `null`: it lives. */
  readonly why: string | null
  /** How often it was refreshed, as far as is known. */
  readonly refreshes: number
}

/** What belongs together happens within this time: the service and the database each tell of it. */
const TOGETHER_MS = 10_000

/** What was done in the database by hand, says the database, with `by` and who it was. */
const BY_HAND = /^(?:deleted|expired|truncated) by |(?:^|, )by /

/** What the one tells, the other tells better. */
const TOLD_BETTER: Readonly<Record<string, readonly string[]>> = {
  signedIn: ['began'],
  blocked: ['blockedByAdmin', 'tokenReused'],
  unblocked: ['unblockedByAdmin'],
  renewed: ['reauthenticated', 'passwordChanged']
}

/** Why a session has ended, by what was done. */
const ACTS: Readonly<Record<string, string>> = {
  signedOut: 'signed out by the user',
  signedInAgain: 'ended because its browser signed in again',
  evicted: 'ended because the user signed in elsewhere, and had as many sessions as allowed',
  endedByUser: 'ended by the user from another session',
  endedByAdmin: 'ended by an administrator',
  signedOutByAdmin: 'ended by an administrator, who signed the user out everywhere',
  disabled: 'ended by an administrator, who disabled the user',
  passwordChanged: 'ended because the user changed their password'
}

/** The same by the reason that the database gives, where nobody has told more. */
const REASONS: Readonly<Record<string, string>> = {
  logout: 'signed out by the user',
  revoked: 'ended by its client, which revoked the refresh token',
  deleted: 'ended by the service',
  expired: 'ended by the service'
}

/**
 * The story of a session in words, and why it has ended.
 *
 * @param events as `EventLog.ofSession` gives them
 * @param session as `EventLog.stateOf` gives it; `null`: its row is gone
 */
export function storyOf (events: readonly SessionEvent[], session: SessionState | null): Story {
  const refreshes = Math.max(0, ...events.map(({ generation }) => (generation ?? 1) - 1), (session?.generation ?? 1) - 1)
  const end = endOf(events)
  const act = end === undefined ? undefined : actBehind(end, events)
  const own = idsOf(events)
  const told = toldBetter(events)
  // what was done to all of the user's sessions after this one had ended did not concern it
  const concerns = ({ at, sessionId }: SessionEvent): boolean => end === undefined || at <= end.at || own.has(sessionId ?? '')
  const shown = events.filter((event) => event.kind !== 'refreshed' && event !== end && event !== act && !told.has(event) && concerns(event))
  const lines = [...shown.map((event) => toLine(event, own)), ...refreshLines(end, session, refreshes), ...(end === undefined ? [] : [endLine(end, act, refreshes)])]
    .sort((a, b) => a.at.getTime() - b.at.getTime())
  return { lines, why: whyOf(end, act, events, session), refreshes }
}

function toLine (event: SessionEvent, own: ReadonlySet<string>): StoryLine {
  const { at, kind, sessionId, reason, clientIp, actorId, userAgent } = event
  const device = kind === 'began' ? deviceOf(userAgent) : null
  const isByThis = kind === 'endedByUser' && sessionId === null && reason !== null && own.has(reason)
  return { at, text: isByThis ? 'the user ended all their other sessions' : `${toWords(event)}${device === null ? '' : `, with ${device}`}`, clientIp, actorId }
}

function endLine (end: SessionEvent, act: SessionEvent | undefined, refreshes: number): StoryLine {
  const { at, clientIp, actorId } = { ...end, ...(act !== undefined && { clientIp: act.clientIp, actorId: act.actorId }) }
  return { at, text: `${endingOf(end, act)}${refreshes > 0 ? `, after ${refreshesIn(refreshes)}` : ''}`, clientIp, actorId }
}

/** Of a session that lives with its lineage: how often it was refreshed, at the last time. */
function refreshLines (end: SessionEvent | undefined, session: SessionState | null, refreshes: number): StoryLine[] {
  if (session === null || session.refreshedAt === null || refreshes === 0 || end !== undefined) return []
  return [{ at: session.refreshedAt, text: `was refreshed for the last time, after ${refreshesIn(refreshes)} in all`, clientIp: null, actorId: null }]
}

const refreshesIn = (count: number): string => `${count} ${count === 1 ? 'refresh' : 'refreshes'}`

/** Whether another of the events tells the same, and better. */
export const isToldBetter = (event: SessionEvent, events: readonly SessionEvent[]): boolean => toldBetter(events).has(event)

/** What others of the events tell better. Each explains one at most, the nearest: a second one is somebody else's. */
function toldBetter (events: readonly SessionEvent[]): ReadonlySet<SessionEvent> {
  const pairs = events.filter((event) => !isByHand(event)).flatMap((event) => events
    .filter((better) => TOLD_BETTER[event.kind]?.includes(better.kind) === true && areTogether(event, better)).map((better) => ({ event, better })))
  const [told, used] = [new Set<SessionEvent>(), new Set<SessionEvent>()]
  for (const { event, better } of pairs.sort((a, b) => apart(a.event, a.better) - apart(b.event, b.better))) {
    if (told.has(event) || used.has(better)) continue
    told.add(event)
    used.add(better)
  }
  return told
}

const isByHand = ({ kind, reason }: SessionEvent): boolean => (kind === 'blocked' || kind === 'unblocked' || kind === 'ended') && reason !== null && BY_HAND.test(reason)

const apart = (a: SessionEvent, b: SessionEvent): number => Math.abs(a.at.getTime() - b.at.getTime())

const areTogether = (a: SessionEvent, b: SessionEvent): boolean => apart(a, b) <= TOGETHER_MS

const endOf = (events: readonly SessionEvent[]): SessionEvent | undefined => events.findLast(({ kind }) => kind === 'ended' || kind === 'expired')

function whyOf (end: SessionEvent | undefined, act: SessionEvent | undefined, events: readonly SessionEvent[], session: SessionState | null): string | null {
  const block = blockBefore(end, events) ?? (session?.isBlocked === true ? session.blockedReason ?? 'no reason was given' : null)
  const ending = end === undefined ? endUntold(events, session) : endingOf(end, act)
  if (block === null) return ending
  return ending === null ? `blocked: ${block}` : `blocked: ${block}, then ${ending}`
}

/** The reason of the block that stood at the end; `null`: none did. */
function blockBefore (end: SessionEvent | undefined, events: readonly SessionEvent[]): string | null {
  const before = end === undefined ? events : events.slice(0, events.indexOf(end))
  const last = before.findLast(({ kind }) => kind === 'blocked' || kind === 'unblocked')
  return last?.kind === 'blocked' ? last.reason ?? 'no reason was given' : null
}

/** Nobody has told of an end: cleanup has not met the session yet, or its events are gone. */
function endUntold (events: readonly SessionEvent[], session: SessionState | null): string | null {
  if (session === null) return events.length === 0 ? null : 'gone, and nothing says why'
  return session.isExpired ? 'expired unseen' : null
}

function endingOf (end: SessionEvent, act: SessionEvent | undefined): string {
  if (end.kind === 'expired') return 'expired unseen'
  if (act !== undefined) return endingBy(act)
  const reason = end.reason ?? ''
  const by = / by (.*)$/s.exec(reason)?.[1]
  if (by === undefined) return REASONS[reason] ?? (reason === '' ? 'ended' : `ended: ${reason}`)
  if (reason.startsWith('deleted')) return `deleted in the database, by ${by}`
  return reason.startsWith('truncated') ? `deleted in the database with all others, by ${by}` : `made to expire in the database, by ${by}`
}

function endingBy ({ kind, sessionId, reason }: SessionEvent): string {
  if (kind === 'endedByUser' && sessionId === null && reason === null) return 'ended by the user, who signed out everywhere'
  if (kind === 'signedOut') return REASONS[reason ?? ''] ?? ACTS[kind] ?? kind
  return `${ACTS[kind] ?? kind}${kind === 'endedByAdmin' && reason !== null ? `: ${reason}` : ''}`
}

/** What was done that ended the session: to it, else to all of its user's. */
function actBehind (end: SessionEvent, events: readonly SessionEvent[]): SessionEvent | undefined {
  if (end.kind === 'expired' || isByHand(end)) return undefined
  const near = events.filter((event) => event.kind in ACTS && areTogether(event, end)).sort((a, b) => apart(a, end) - apart(b, end))
  const own = idsOf(events)
  const isOfThis = ({ kind, sessionId }: SessionEvent): boolean => kind !== 'passwordChanged' && sessionId !== null
  // the session in which a user changes their password, or ends all others, is not ended by it
  const isOfAll = ({ kind, sessionId, reason }: SessionEvent): boolean =>
    kind === 'passwordChanged' ? !own.has(sessionId ?? '') : !(kind === 'endedByUser' && own.has(reason ?? ''))
  return near.find(isOfThis) ?? near.find(isOfAll)
}

/** All ids that the session has had. */
function idsOf (events: readonly SessionEvent[]): ReadonlySet<string> {
  return new Set(events.flatMap(({ kind, sessionId, reason }) => kind === 'passwordChanged' ? [] : [sessionId ?? '', kind === 'renewed' ? reason ?? '' : '']).filter((id) => id !== ''))
}
