/** What triggers of the database write, in the transaction of whoever acts. */
export const WITNESSED = ['began', 'renewed', 'blocked', 'unblocked', 'ended', 'expired', 'refreshed'] as const

/** What only the service knows. */
export const RECORDED = [
  'registered', 'signedIn', 'signedInAgain', 'evicted', 'signedOut', 'endedByUser', 'endedByAdmin', 'blockedByAdmin', 'unblockedByAdmin', 'passwordChanged',
  'reauthenticated', 'disabled', 'enabled', 'promoted', 'signedOutByAdmin', 'tokenReused', 'tokenAhead', 'tokenMismatch'
] as const

export type RecordedKind = typeof RECORDED[number]
export type EventKind = typeof WITNESSED[number] | RecordedKind

/** Something that the service has seen or done. What is absent is not known. */
export interface NewEvent {
  readonly kind: RecordedKind
  /** Absent: it is about all sessions of the user. */
  readonly sessionId?: string | null | undefined
  /** Whose session it is. Absent: found by the session's other events; of a session that never had a user nothing is kept. */
  readonly userId?: string | null | undefined
  readonly clientIp?: string | null | undefined
  readonly userAgent?: string | null | undefined
  /** The user who did it, where that is another than `userId`. */
  readonly actorId?: string | null | undefined
  /** Cut to 200 characters. Of `endedByUser` without a session: the session that was spared; absent: none was. */
  readonly reason?: string | null | undefined
  readonly generation?: number | null | undefined
}

/** Something that has happened to a session. */
export interface SessionEvent {
  /** Grows; compares as a number. */
  readonly id: string
  readonly at: Date
  /** `null`: it is about all sessions of the user. */
  readonly sessionId: string | null
  readonly userId: string | null
  /** An `EventKind`, unless another version has written it. */
  readonly kind: string
  readonly clientIp: string | null
  readonly userAgent: string | null
  /** The user who did it; `null`: the session's own, or nobody. */
  readonly actorId: string | null
  readonly reason: string | null
  /** Of the newest refresh token then: one more than there were refreshes. */
  readonly generation: number | null
}
