/**
 * What of the access tokens in circulation must be refused.
 *
 * @module
 */

/**
 * `ended`: the session is gone. `blocked`: until it is lifted. `changed`: its user, claims or an earlier end; tokens that
 * were issued later hold. Of each kind one a session.
 */
export type RevocationKind = 'ended' | 'blocked' | 'changed'

/** Every kind. */
export const REVOCATION_KINDS: readonly RevocationKind[] = ['ended', 'blocked', 'changed']

/** Access tokens of a session that were issued at `at` or before are refused. */
export interface Revocation {
  /** `null`: all sessions. */
  readonly sessionId: string | null
  readonly kind: RevocationKind
  readonly reason: string | null
  /** Whole milliseconds since 1970 by the store's clock. Within one the store takes turns: a token that is issued after says a later one. */
  readonly at: number
  /** When no token that it concerns can be valid any more. */
  readonly until: number
}

/** What a store tells its watch's owner. */
export interface RevocationSink {
  /** The watch is whole: this is all that is in force, and every change will be told from here on. Replaces what was told before. */
  reset (inForce: readonly Revocation[]): void
  add (revocation: Revocation): void
  /** The block of a session was lifted. Nothing else is ever taken back. */
  lift (sessionId: string): void
  /**
   * From here on something may have been missed, until the next `reset`. Told once, and again with advice that is new.
   *
   * @param cause for the log; absent: none is known
   * @param advice what is wrong with the configuration and what to do, for people, without secrets; absent: it may pass by itself
   */
  broken (cause?: unknown, advice?: string): void
}
