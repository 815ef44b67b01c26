import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'

/** What each event tells. None ever carries a secret, a cookie value or a token. */
export interface SessionEvents {
  /** A row appeared. */
  created: { readonly sessionId: string, readonly userId: string | null, readonly clientIp: string | null }
  /** A user signed in: `sessionId` is the new session. */
  signedIn: { readonly sessionId: string, readonly userId: string, readonly clientIp: string | null }
  /** A session has a new secret, and a new id unless tokens name the old one. */
  regenerated: { readonly sessionId: string, readonly previousId: string }
  /** A session was ended by its own request. */
  destroyed: { readonly sessionId: string }
  /**
   * A session was ended from elsewhere: a list of devices, an administrator, another sign-in. `userId`: whose it was, where
   * that is known; `null`: a visitor's. `reason`: what `end`, `endAll` or the tokens were given, by default `ended`. The
   * library's own are `replaced`, its browser signed in; `evicted`, its user signed in elsewhere, and had as many sessions as
   * `maxSessionsPerUser` allows; `logout` and `revoked`, its client gave it up; `ended_by_user`, from another session;
   * `password_changed`, with that; `corrupt`, its row did not hold an object.
   */
  ended: { readonly sessionId: string, readonly userId?: string | null, readonly reason: string }
  blocked: { readonly sessionId: string, readonly reason: string }
  /** A cookie was not accepted; `sessionId` where the cookie verified. */
  rejected: { readonly reason: RejectionReason, readonly clientIp: string, readonly sessionId?: string }
  cleanup: { readonly count: number, readonly ms: number }
}

/**
 * `forged`: does not verify. `duplicate`: two cookies of our name verify. `unknown`: the session is gone, expired or
 * blocked. `replaced`: its secret is no longer this one. `corrupt`: its row does not hold an object.
 */
export type RejectionReason = 'forged' | 'duplicate' | 'unknown' | 'replaced' | 'corrupt'

export type SessionEventName = keyof SessionEvents

/** A message on the channel `silverback:<event>` of `node:diagnostics_channel`. */
export type SessionEventMessage<E extends SessionEventName> = SessionEvents[E] & {
  readonly event: E
  /** The manager that tells it: processes may run several. Not enumerable: who logs a message does not log its manager. */
  readonly source: object
}

const NAMES: readonly SessionEventName[] = ['created', 'signedIn', 'regenerated', 'destroyed', 'ended', 'blocked', 'rejected', 'cleanup']
const CHANNELS: ReadonlyMap<string, Channel> = new Map(NAMES.map((name) => [name, channel(`silverback:${name}`)]))

/** Tells subscribers; costs next to nothing without any. */
export function publish<E extends SessionEventName> (source: object, event: E, facts: SessionEvents[E]): void {
  const subscribers = CHANNELS.get(event)
  if (subscribers?.hasSubscribers === true) subscribers.publish(Object.defineProperty({ ...facts, event }, 'source', { value: source }))
}

/**
 * Calls `listener` for the events of one source; returns the function that ends this.
 *
 * @throws TypeError for an unknown event
 */
export function subscribe<E extends SessionEventName> (source: object, event: E, listener: (message: SessionEventMessage<E>) => void): () => void {
  const subscribers = CHANNELS.get(event)
  if (subscribers === undefined) throw new TypeError(`unknown event "${event}"; known are: ${NAMES.join(', ')}`)
  const filtered = (message: unknown): void => {
    const told = message as SessionEventMessage<E> // only publish() writes to the channel
    if (told.source === source) listener(told)
  }
  subscribers.subscribe(filtered)
  return () => { subscribers.unsubscribe(filtered) }
}
