/** Lineages, tokens and comparisons that the laws of tokens share. */

import assert from 'node:assert/strict'
import { hashSecret } from '../core/credential.js'
import type { NewSession, SessionRecord } from '../session/store.js'
import type { Revocation, RevocationSink } from '../tokens/revocations.js'
import type { PresentedToken, RotationCase } from '../tokens/rotation.js'
import type { AccessFacts, LineageFacts, LineageRules, NewLineage, Rotation, TokenStore } from '../tokens/store.js'
import { begin, DAY, found } from './fixtures.js'
import type { TokenHarness } from './token-harness.js'

/** In seconds; R and W are far apart from each other, and from what a running clock adds to a law. */
export const RULES: LineageRules = { minGenerationAge: 900, stragglerWindow: 600, refreshTtl: 30 * DAY }
/** Long enough for a generation to be succeeded. */
export const OLD = RULES.minGenerationAge + 60
/** The idle life of a lineage's session. */
export const IDLE = 30 * DAY
export const ABSOLUTE = 60 * DAY

/** What the store keeps of the token of this generation: each has one secret. */
export const hashOf = (sessionId: string, generation: number): Uint8Array => hashSecret(Buffer.from(`${sessionId} ${generation}`))

/** The genuine token of a generation, as the store sees it. */
export function tokenOf (sessionId: string, generation: number, given: Partial<PresentedToken> = {}): PresentedToken {
  return { sessionId, generation, hash: hashOf(sessionId, generation), successorHashes: [hashOf(sessionId, generation + 1)], requestUserId: null, ...given }
}

/** A lineage for a session of Ada's. */
export function newLineage (sessionId: string, given: Partial<NewLineage> = {}): NewLineage {
  return { sessionId, userId: 'ada', tokenHash: hashOf(sessionId, 1), idleSeconds: IDLE, absoluteSeconds: ABSOLUTE, ...given }
}

/** Signs Ada in and begins a lineage; resolves to the session as the lineage's beginning answers it. */
export async function signIn ({ store, tokens }: TokenHarness, given: Partial<NewSession> = {}): Promise<SessionRecord> {
  const { id } = await begin(store, { userId: 'ada', ...given })
  return begun(await tokens.createRefreshToken(newLineage(id)))
}

/** The record of an answer that must be one. */
export function begun (answer: SessionRecord | 'taken' | null): SessionRecord {
  assert.notEqual(answer, 'taken', 'the session should have no lineage')
  return found(answer === 'taken' ? null : answer)
}

/** Presents a token. */
export const rotate = (tokens: TokenStore, sessionId: string, generation: number, given: Partial<PresentedToken> = {}): Promise<Rotation> =>
  tokens.rotateRefreshToken(tokenOf(sessionId, generation, given), RULES)

/** Looks at a token. */
export const inspect = (tokens: TokenStore, sessionId: string, generation: number, given: Partial<PresentedToken> = {}): Promise<Rotation> =>
  tokens.getUserFromRefreshToken(tokenOf(sessionId, generation, given), RULES)

/** The facts of an answer. @throws AssertionError unless it is this case */
export function answered (rotation: Rotation, wanted: RotationCase): LineageFacts {
  assert.equal(rotation.found, wanted)
  assert.ok(rotation.facts !== null, `${wanted} answers with facts`)
  return rotation.facts
}

/** @throws AssertionError unless the answer is this case, without facts */
export function refused (rotation: Rotation, wanted: RotationCase): void {
  assert.deepEqual(rotation, { found: wanted, facts: null })
}

/** Signs in and rotates so often, each time after the generation's least age. */
export async function rotated (harness: TokenHarness, times: number): Promise<SessionRecord> {
  const session = await signIn(harness)
  for (let generation = 1; generation <= times; generation++) {
    await harness.advance(OLD)
    answered(await rotate(harness.tokens, session.id, generation), 'ROTATE')
  }
  return session
}

/** What the access token says that is issued with these facts. */
export function access ({ sessionId, userId, issuedAt }: LineageFacts): AccessFacts {
  return { sessionId, userId, issuedAt }
}

/** Issues an access token to who holds the newest generation, which is young. */
export async function issue (tokens: TokenStore, sessionId: string, generation = 1): Promise<AccessFacts> {
  return access(answered(await rotate(tokens, sessionId, generation), 'EARLY'))
}

/** Keeps what a watch was told, and lets a law wait for it. */
export class Told implements RevocationSink {
  /** Each message as a line: its kind, and the session's id. */
  readonly lines: string[] = []
  readonly revocations: Revocation[] = []
  isWhole = false
  #wake: () => void = () => {}

  reset (inForce: readonly Revocation[]): void {
    this.isWhole = true
    this.revocations.splice(0, Infinity, ...inForce)
    this.#note('reset')
  }

  add (revocation: Revocation): void {
    this.revocations.push(revocation)
    this.#note(`${revocation.kind} ${String(revocation.sessionId)}`)
  }

  lift (sessionId: string): void { this.#note(`lifted ${sessionId}`) }

  broken (): void {
    this.isWhole = false
    this.#note('broken')
  }

  /** Resolves when it has been told this. @throws after ten seconds */
  async hears (line: string): Promise<void> {
    const endsAt = performance.now() + 10_000
    while (!this.lines.includes(line)) {
      assert.ok(performance.now() < endsAt, `the watch should tell "${line}"; it told: ${this.lines.join(', ')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000)
        this.#wake = () => { clearTimeout(timer); resolve() }
      })
    }
  }

  #note (line: string): void {
    this.lines.push(line)
    this.#wake()
  }
}
