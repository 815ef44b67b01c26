import type { Store } from '../session/store.js'
import type { TokenStore } from '../tokens/store.js'

/** A store of tokens under test with that of its sessions, empty and of their own for each law, and what moves the world around them. */
export interface TokenHarness {
  readonly store: Store
  readonly tokens: TokenStore
  /** Another handle on the same storage, standing for another process. Absent: `tokens` plays both. */
  readonly secondTokens?: TokenStore
  /** Moves the store's time forward, decimals allowed: turns its injected clock, or moves all stored instants back. Revokes nothing. */
  advance (seconds: number): Promise<void>
  /** Releases everything, the stores included. They may have been closed already. */
  close (): Promise<void>
  /** From here on the storage cannot be reached. Absent: the law of failing storage is passed over. */
  breakStorage? (): Promise<void>
  /** Time moves by `advance` alone. Default: it also runs. */
  readonly clockStandsStill?: boolean
}

/** One promise: resolves when the store keeps it, rejects with an `AssertionError` when not. */
export type TokenLaw = (harness: TokenHarness) => Promise<void>

/** Promises by title. A title is a sentence that can be false. */
export type TokenLaws = Readonly<Record<string, TokenLaw>>
