import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { CountedReason } from '../metrics/end-reason.js'
import type { Metrics } from '../metrics/metrics.js'
import type { Statistics } from '../stats/statistics.js'
import type { NewEvent, RecordedKind } from './event.js'
import type { EventLog } from './event-log.js'

/** What is logged and counted; all but refusals, which strangers can make as many of as they like, becomes part of stories, too. */
export type AuditKind = RecordedKind | Refused

const REFUSED = ['signInRefused', 'registrationRefused', 'passwordRefused', 'throttled'] as const
type Refused = typeof REFUSED[number]

/** Whose session, and which; `actorId` is another user who did it, such as an administrator. What is absent is not known. */
export interface AuditFacts extends Omit<NewEvent, 'kind' | 'userAgent'> {
  /** Of `throttled`: the name of the limit. */
  readonly limit?: string
}

/** What is looked at of a request. */
export type AuditedRequest = Pick<FastifyRequest, 'ip' | 'headers' | 'log'>

export interface AuditParts {
  readonly events: Pick<EventLog, 'record'>
  readonly statistics: Pick<Statistics, 'count'>
  /** `null`: there are none. */
  readonly metrics: Metrics | null
  /** For what happens without a request. */
  readonly log: FastifyBaseLogger
}

const WORDS: Readonly<Record<AuditKind, string>> = {
  registered: 'a user registered',
  registrationRefused: 'a registration was refused',
  signedIn: 'a user signed in',
  signedInAgain: 'a session ended, for its browser signed in again',
  evicted: 'a session ended, for its user signed in elsewhere, and had as many sessions as allowed',
  signInRefused: 'a sign-in was refused',
  signedOut: 'a user signed out',
  endedByUser: 'a user ended other sessions of theirs',
  endedByAdmin: 'an administrator ended a session',
  blockedByAdmin: 'an administrator blocked a session',
  unblockedByAdmin: 'an administrator lifted a block',
  passwordChanged: 'a user changed their password',
  passwordRefused: 'a signed-in user gave a password that is not theirs',
  reauthenticated: 'a user proved again who they are',
  disabled: 'an administrator disabled a user',
  enabled: 'an administrator enabled a user',
  promoted: 'a user was made an administrator',
  signedOutByAdmin: 'an administrator signed a user out everywhere',
  throttled: 'a request was refused, for there were too many',
  tokenReused: 'a superseded refresh token came back: two parties hold the session, which is blocked',
  tokenAhead: 'a refresh token is newer than the database, which has lost its last commits',
  tokenMismatch: 'a genuine refresh token is not the one that was given'
}

/** How each is counted. Ends are not: one act ends many sessions, and some end without an act. */
const COUNTS: Readonly<Partial<Record<AuditKind, (statistics: AuditParts['statistics'], metrics: Metrics | null, facts: AuditFacts) => void>>> = {
  registered: (statistics) => { statistics.count('registrations') },
  signedIn: (statistics, metrics) => { statistics.count('sign_ins'); metrics?.signIn('passed') },
  signInRefused: (statistics, metrics) => { statistics.count('sign_ins_refused'); metrics?.signIn('refused') },
  throttled: (statistics, metrics, { limit = 'other' }) => { statistics.count('throttled'); metrics?.throttled(limit) },
  tokenReused: (statistics, metrics) => { statistics.count('alarms'); statistics.count('blocked'); metrics?.alarm('reuse') },
  tokenAhead: (_statistics, metrics) => { metrics?.alarm('ahead') },
  tokenMismatch: (_statistics, metrics) => { metrics?.alarm('mismatch') }
}

/** Tells of acts that concern security in all places at once: a line of the log, the story of the session, and the counts. */
export class Audit {
  readonly #parts: AuditParts

  constructor (parts: AuditParts) {
    this.#parts = parts
  }

  /**
   * Never waits and never fails. @param request whose address and `User-Agent` are noted; `null`: there is none
   */
  record (request: AuditedRequest | null, kind: AuditKind, facts: AuditFacts = {}): void {
    const { events, statistics, metrics, log } = this.#parts
    const known = { clientIp: request?.ip, ...facts }
    const line = { event: kind, ...known }
    if (kind.startsWith('token')) (request?.log ?? log).warn(line, WORDS[kind])
    else (request?.log ?? log).info(line, WORDS[kind])
    COUNTS[kind]?.(statistics, metrics, facts)
    if (!isRefused(kind)) events.record({ kind, userAgent: request?.headers['user-agent'], ...known })
  }

  /** Counts sessions that have ended before their time: each once. */
  countEnded (reason: CountedReason, count = 1): void {
    this.#parts.statistics.count('ended', count)
    this.#parts.metrics?.ended(reason, count)
  }
}

const isRefused = (kind: AuditKind): kind is Refused => REFUSED.some((refused) => refused === kind)
