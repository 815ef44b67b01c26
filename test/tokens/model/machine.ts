import { advance, decide } from '../../../src/tokens/rotation.js'
import type { Lineage, RotationCase } from '../../../src/tokens/rotation.js'

/** What the server does with a token that has arrived. The checker takes the true one, or one that lacks a rule. */
export interface Machine {
  readonly decide: typeof decide
  readonly advance: typeof advance
  /** What the arrival of an access token of this generation changes, where access tokens are evidence. */
  readonly confirm: (lineage: Lineage, generation: number, now: number) => Lineage
  /** Whether the answer of a case carries the newest refresh token besides the access token. */
  readonly givesRefresh: (found: RotationCase) => boolean
}

/** The machine of the specification: the very functions of the library, and the two rules that stand beside the table. */
export const trueMachine: Machine = {
  decide,
  advance,
  confirm: (lineage, generation, now) => generation === lineage.generation ? { ...lineage, confirmedAt: lineage.confirmedAt ?? now } : lineage,
  givesRefresh: (found) => found === 'ROTATE' || found === 'REPLAY'
}

/** A superseded token is answered for so long after its successor was made, whether or not anybody has the successor. */
export const graceFromRotation: Machine = {
  ...trueMachine,
  decide (lineage, session, token, now, rules) {
    const found = decide(lineage, session, token, now, rules)
    if (lineage === null || lineage.generation - token.generation !== 1) return found
    return now - lineage.deliveredAt <= rules.stragglerWindow * 1000 ? 'REPLAY' : 'REUSE'
  },
  advance: (lineage, found, token, now) => found === 'REPLAY' ? lineage : advance(lineage, found, token, now)
}

/** Stragglers are answered for less than the window, not for the whole of it. */
export const lessThanWindow: Machine = {
  ...trueMachine,
  decide (lineage, session, token, now, rules) {
    const found = decide(lineage, session, token, now, rules)
    const isOver = lineage?.confirmedAt != null && now - lineage.confirmedAt >= rules.stragglerWindow * 1000
    return found === 'STRAGGLER' && isOver ? 'REUSE' : found
  }
}

/** The answer of an early refresh repeats the refresh token that the client has. */
export const echoingEarly: Machine = {
  ...trueMachine,
  givesRefresh: (found) => found === 'EARLY' || trueMachine.givesRefresh(found)
}

/** A repeated request gets the successor for ever, seen in use or not: nobody is ever signed out, a thief neither. */
export const endlessReplay: Machine = {
  ...trueMachine,
  decide (lineage, session, token, now, rules) {
    const unconfirmed = lineage === null ? null : { ...lineage, confirmedAt: null }
    return decide(unconfirmed, session, token, now, rules)
  }
}

/** Stragglers are answered without an end. */
export const endlessStraggler: Machine = {
  ...trueMachine,
  decide: (lineage, session, token, now, rules) => decide(lineage, session, token, now, { ...rules, stragglerWindow: Infinity })
}

/** A repeated request gets a new successor instead of the same one; the newest holds. */
export const mintingReplay: Machine = {
  ...trueMachine,
  advance: (lineage, found, token, now) => found === 'REPLAY'
    ? { ...advance(lineage, found, token, now), tokenHash: lineage.tokenHash.map((byte) => byte ^ 0x80) }
    : advance(lineage, found, token, now)
}
