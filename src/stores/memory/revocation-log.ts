import { REVOCATION_KINDS } from '../../tokens/revocations.js'
import type { Revocation, RevocationKind, RevocationSink } from '../../tokens/revocations.js'
import type { SessionRow } from './session-row.js'

/** The longest life of an access token, an hour, with a minute for the clocks. */
const LIFE_MS = 61 * 60 * 1000

/** What access tokens in circulation must be refused: of each kind the last of a session, for 61 minutes. */
export class RevocationLog {
  readonly #now: () => number
  /** By session and kind, the oldest first. */
  readonly #entries = new Map<string, Revocation>()
  readonly #sinks = new Set<RevocationSink>()

  constructor (now: () => number) {
    this.#now = now
  }

  /** Notes what a change of a row revokes, or lifts, and tells it. `after` null: the row is gone. */
  note (before: SessionRow, after: SessionRow | null, now: number): void {
    if (before.blockedAt !== null && after?.blockedAt === null) this.#lift(before.id)
    // nobody has access tokens for a visitor's session, or any that still hold for one that had expired
    if (before.userId === null || before.expiresAt <= now) return
    if (after === null) this.#add(before.id, 'ended', 'deleted', now)
    else if (after.id !== before.id) this.#add(before.id, 'ended', 'renewed', now)
    else {
      if (before.blockedAt === null && after.blockedAt !== null) this.#add(before.id, 'blocked', after.blockedReason, now)
      const changed = whatChanged(before, after)
      if (changed !== null) this.#add(before.id, 'changed', changed, now)
    }
  }

  /** The last instant at which an access token of the session may have been issued and is refused; `-Infinity`: none is. */
  lastAt (sessionId: string): number {
    this.#forgetOld()
    return Math.max(...REVOCATION_KINDS.map((kind) => this.#entries.get(keyOf(sessionId, kind))?.at ?? -Infinity))
  }

  /** Tells a sink what is in force, and from then on every change; returns the function that ends this. */
  watch (sink: RevocationSink): () => void {
    this.#forgetOld()
    sink.reset([...this.#entries.values()])
    this.#sinks.add(sink)
    return () => { this.#sinks.delete(sink) }
  }

  #add (sessionId: string, kind: RevocationKind, reason: string | null, now: number): void {
    // a token of this millisecond may say one more than the last revocation, and must be refused as well
    const at = Math.max(now, this.lastAt(sessionId) + 1)
    const revocation: Revocation = Object.freeze({ sessionId, kind, reason, at, until: at + LIFE_MS })
    this.#entries.delete(keyOf(sessionId, kind))
    this.#entries.set(keyOf(sessionId, kind), revocation)
    for (const sink of this.#sinks) sink.add(revocation)
  }

  #lift (sessionId: string): void {
    if (!this.#entries.delete(keyOf(sessionId, 'blocked'))) return
    for (const sink of this.#sinks) sink.lift(sessionId)
  }

  #forgetOld (): void {
    const now = this.#now()
    for (const [key, { until }] of this.#entries) {
      if (until > now) return
      this.#entries.delete(key)
    }
  }
}

const keyOf = (sessionId: string, kind: RevocationKind): string => `${sessionId} ${kind}`

/** Why tokens say what is no longer so; `null`: they do not. Before its lineage begins a session has no tokens. */
function whatChanged (before: SessionRow, after: SessionRow): string | null {
  if (before.lineage === null && after.lineage !== null) return null
  if (before.userId !== after.userId) return 'user'
  if (after.expiresAt < before.expiresAt) return after.lineage?.revokedReason ?? 'expiry'
  return before.claimsText === after.claimsText ? null : 'claims'
}
