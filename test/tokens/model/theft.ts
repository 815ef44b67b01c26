/**
 * Two parties that have the same refresh token: its owner and a thief. Each keeps what it is given, shows nobody, and
 * may present whatever it has had, in any order, at any time; answers may be lost.
 *
 * @module
 */
import { isAnswered } from '../../../src/tokens/rotation.js'
import type { Lineage, PresentedToken, RotationCase, RotationRules } from '../../../src/tokens/rotation.js'
import { BEGINNING, hashOf, LIVE, nameOfLineage, standForLineage, TICK } from './lineage.js'
import type { Machine } from './machine.js'

interface Party {
  /** The newest refresh token that it holds. */
  readonly refresh: number
  /** The newest access token that it holds. */
  readonly access: number
  /** When the other first used something of a generation that this one does not hold. */
  readonly overtakenAt: number | null
}

interface State {
  readonly now: number
  readonly lineage: Lineage
  /** The hash of the newest refresh token as it was given first. */
  readonly given: Uint8Array
  readonly parties: readonly [Party, Party]
}

type Event =
  | { readonly does: 'pass' }
  | { readonly does: 'refresh', readonly party: 0 | 1, readonly back: number, readonly isLost: boolean }
  | { readonly does: 'access', readonly party: 0 | 1 }

export interface TheftExploration {
  readonly states: number
  readonly seen: ReadonlySet<RotationCase>
  /** Of the promises those that some order of events breaks. */
  readonly broken: ReadonlySet<string>
}

const PARTIES = [0, 1] as const

/** Follows every order of events, each until the theft is noticed. */
export function exploreTheft (machine: Machine, rules: RotationRules): TheftExploration {
  const seen = new Set<RotationCase>()
  const broken = new Set<string>()
  const holder: Party = { refresh: 1, access: 1, overtakenAt: null }
  const queue = [standFor(rules, { now: 0, lineage: BEGINNING, given: BEGINNING.tokenHash, parties: [holder, holder] })]
  const known = new Set(queue.map(nameOf))
  for (const state of queue) {
    for (const event of eventsOf(state)) {
      const { next, found } = follow(machine, rules, state, event, broken)
      if (found !== null) seen.add(found)
      if (found === 'REUSE') continue
      const standing = standFor(rules, next)
      if (known.has(nameOf(standing))) continue
      known.add(nameOf(standing))
      queue.push(standing)
    }
  }
  return { states: known.size, seen, broken }
}

function * eventsOf ({ lineage, parties }: State): Generator<Event> {
  yield { does: 'pass' }
  for (const party of PARTIES) {
    // what it had before it, if there was anything
    for (let back = 0; back <= (lineage.previousHash === null ? 0 : 2); back++) {
      for (const isLost of [false, true]) yield { does: 'refresh', party, back, isLost }
    }
    if (parties[party].access === lineage.generation) yield { does: 'access', party }
  }
}

function follow (machine: Machine, rules: RotationRules, state: State, event: Event, broken: Set<string>): { next: State, found: RotationCase | null } {
  if (event.does === 'pass') return { next: { ...state, now: state.now + TICK }, found: null }
  const { now, lineage } = state
  const self = state.parties[event.party]
  if (event.does === 'access') {
    const used = overtake(state, event.party, self.access)
    return { next: { ...used, lineage: machine.confirm(lineage, self.access, now) }, found: null }
  }
  const token = genuine(lineage, self.refresh - event.back)
  const found = machine.decide(lineage, LIVE, token, now, rules)
  const after = isAnswered(found) ? machine.advance(lineage, found, token, now) : lineage
  const refresh = isAnswered(found) && machine.givesRefresh(found) ? after.generation : null
  const given = found === 'ROTATE' ? after.tokenHash : state.given
  const says = (promise: string, holds: boolean): void => { if (!holds) broken.add(promise) }
  const behind = lineage.generation - token.generation
  const isLate = lineage.confirmedAt !== null && now - lineage.confirmedAt > rules.stragglerWindow * TICK
  says('no generation has two secrets', refresh === null || Buffer.compare(after.tokenHash, given) === 0)
  says('once n is confirmed, n-1 gets no refresh token', refresh === null || behind === 0 || (behind === 1 && lineage.confirmedAt === null))
  says('n-1 later than W after the confirmation of n ends the lineage', behind !== 1 || !isLate || found === 'REUSE')
  says('n-2 ends the lineage', behind < 2 || found === 'REUSE')
  says('who was overtaken gets no refresh token', refresh === null || self.overtakenAt === null)
  says('who was overtaken later than W ago ends the lineage', self.overtakenAt === null || now - self.overtakenAt <= rules.stragglerWindow * TICK || found === 'REUSE')
  const used = isAnswered(found) ? overtake(state, event.party, token.generation) : state
  const kept = event.isLost || !isAnswered(found) ? self : { ...self, refresh: refresh ?? self.refresh, access: after.generation }
  return { next: { ...used, lineage: after, given, parties: event.party === 0 ? [kept, used.parties[1]] : [used.parties[0], kept] }, found }
}

/** The token of a generation, with the secret that the lineage knows it by, if it does. */
function genuine (lineage: Lineage, generation: number): PresentedToken {
  const behind = lineage.generation - generation
  const known = behind === 0 ? lineage.tokenHash : behind === 1 ? lineage.previousHash : null
  return {
    sessionId: 'a session',
    generation,
    hash: known ?? hashOf(generation),
    successorHashes: [behind === 1 ? lineage.tokenHash : hashOf(generation + 1)],
    requestUserId: null
  }
}

/** A party uses something of a generation: the other, if it does not hold that, is overtaken. */
function overtake (state: State, user: 0 | 1, generation: number): State {
  const [owner, thief] = state.parties
  const behind = (party: Party): Party => party.refresh < generation ? { ...party, overtakenAt: party.overtakenAt ?? state.now } : party
  return { ...state, parties: user === 0 ? [owner, behind(thief)] : [behind(owner), thief] }
}

function standFor (rules: RotationRules, { now, lineage: counted, given, parties }: State): State {
  const { lineage, shown } = standForLineage(rules, counted, now)
  const party = ({ refresh, access, overtakenAt }: Party): Party => ({
    refresh: shown(refresh),
    access: shown(access),
    overtakenAt: overtakenAt === null ? null : Math.max(-(rules.stragglerWindow + 1) * TICK, overtakenAt - now)
  })
  return { now: 0, lineage, given: Uint8Array.of(lineage.generation | ((given[0] ?? 0) & 0x80)), parties: [party(parties[0]), party(parties[1])] }
}

const nameOf = ({ lineage, given, parties }: State): string =>
  `${nameOfLineage(lineage)} ${given.join()} ${parties.map(({ refresh, access, overtakenAt }) => `${refresh} ${access} ${overtakenAt ?? '-'}`).join(' ')}`
