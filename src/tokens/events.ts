import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'
import type { RotationCase } from './rotation.js'

/** What each event tells. None ever carries a token, a secret or a hash of one. */
export interface TokenEvents {
  /** A lineage began. */
  tokenIssued: { readonly sessionId: string, readonly userId: string, readonly clientIp: string | null }
  /**
   * A refresh token was presented and judged; `generation` is its own. `FORGED`: it is none of ours, the storage was not
   * asked, and what it says of session and generation is nothing.
   */
  tokenRefreshed: { readonly sessionId: string | null, readonly generation: number | null, readonly outcome: RotationCase | 'FORGED', readonly clientIp: string | null }
  /** The alarm: a superseded refresh token came back, two parties hold the lineage. Its session is blocked. Once, unless the block is lifted. */
  tokenReused: { readonly sessionId: string, readonly generation: number, readonly clientIp: string | null }
  /** A refresh token is newer than the database: it lost its last commits in a failover. */
  tokenAhead: { readonly sessionId: string, readonly generation: number, readonly clientIp: string | null }
  /** A genuine refresh token is not the one that was given: a key was taken away, or the database was edited. */
  tokenMismatch: { readonly sessionId: string, readonly generation: number, readonly clientIp: string | null }
  /** A lineage and its session were ended. */
  tokenRevoked: { readonly sessionId: string, readonly reason: string }
}

export type TokenEventName = keyof TokenEvents

/** A message on the channel `silverback:<event>` of `node:diagnostics_channel`. */
export type TokenEventMessage<E extends TokenEventName> = TokenEvents[E] & {
  readonly event: E
  /** The Tokens that tell it: processes may run several. Not enumerable, as with the events of sessions. */
  readonly source: object
}

const NAMES: readonly TokenEventName[] = ['tokenIssued', 'tokenRefreshed', 'tokenReused', 'tokenAhead', 'tokenMismatch', 'tokenRevoked']
const CHANNELS: ReadonlyMap<string, Channel> = new Map(NAMES.map((name) => [name, channel(`silverback:${name}`)]))

/** Tells subscribers; costs next to nothing without any. */
export function publishToken<E extends TokenEventName> (source: object, event: E, facts: TokenEvents[E]): void {
  const subscribers = CHANNELS.get(event)
  if (subscribers?.hasSubscribers === true) subscribers.publish(Object.defineProperty({ ...facts, event }, 'source', { value: source }))
}
