/**
 * Honest holders, a network that loses, delays, repeats and reorders, and the server.
 *
 * The holders are the tabs, processes and threads of one client. They share one store of tokens, in which whatever is
 * received may take the place of whatever is there. Time is counted in ticks of one second.
 *
 * @module
 */
import { isAnswered } from '../../../src/tokens/rotation.js'
import type { Lineage, RotationCase, RotationRules } from '../../../src/tokens/rotation.js'
import { BEGINNING as LINEAGE, LIVE, nameOfLineage, standForLineage, TICK, tokenOf } from './lineage.js'
import type { Machine } from './machine.js'

export interface World {
  readonly machine: Machine
  readonly rules: RotationRules
  /** The longest that a request is under way. */
  readonly requestTicks: number
  /** The longest that an answer is under way. */
  readonly answerTicks: number
  /** How many messages are in flight at once, at most. */
  readonly room: number
  /** The browser keeps the access token of an answer whether or not anybody reads the refresh token: the `hybrid` transport. Else who has the one has the other. */
  readonly storesApart: boolean
  /** Arriving access tokens are evidence: they carry no `nc`. */
  readonly accessConfirms: boolean
}

/** Generations and instants; `until` is when it has arrived or is lost. */
export type Message =
  | { readonly kind: 'refresh', readonly generation: number, readonly until: number }
  | { readonly kind: 'access', readonly generation: number, readonly until: number }
  | { readonly kind: 'answer', readonly refresh: number | null, readonly access: number, readonly until: number }

export interface State {
  readonly now: number
  readonly lineage: Lineage
  /** The generation of the refresh token that the holders have. */
  readonly refresh: number
  readonly access: number
  readonly flight: readonly Message[]
}

export type Event =
  | { readonly does: 'pass' }
  | { readonly does: 'send', readonly kind: 'refresh' | 'access' }
  | { readonly does: 'lose', readonly message: Message }
  /** `again`: a repetition of it stays under way. */
  | { readonly does: 'serve', readonly message: Exclude<Message, { kind: 'answer' }>, readonly again: boolean }
  | { readonly does: 'receive', readonly message: Extract<Message, { kind: 'answer' }>, readonly keeps: 'refresh' | 'access' | 'both' }

/** A client that has just signed in. */
export const BEGINNING: State = {
  now: 0,
  lineage: LINEAGE,
  refresh: 1,
  access: 1,
  flight: []
}

export const judge = ({ machine, rules }: World, { lineage, now }: Pick<State, 'lineage' | 'now'>, generation: number): RotationCase =>
  machine.decide(lineage, LIVE, tokenOf(generation), now, rules)

/** All that can happen next. */
export function * eventsOf (world: World, state: State): Generator<Event> {
  const { now, lineage, flight } = state
  const hasRoom = flight.length < world.room
  if (flight.every(({ until }) => until > now)) yield { does: 'pass' }
  if (hasRoom) {
    yield { does: 'send', kind: 'refresh' }
    // an older one means nothing to anybody
    if (state.access === lineage.generation) yield { does: 'send', kind: 'access' }
  }
  for (const message of flight) {
    yield { does: 'lose', message }
    if (message.kind === 'answer') {
      yield { does: 'receive', message, keeps: 'both' }
      if (message.refresh !== null) yield { does: 'receive', message, keeps: 'refresh' }
      if (message.refresh !== null && world.storesApart) yield { does: 'receive', message, keeps: 'access' }
    } else {
      yield { does: 'serve', message, again: false }
      if (hasRoom) yield { does: 'serve', message, again: true }
    }
  }
}

/** What an event leads to. `found`: how the server judged a refresh token. */
export function follow (world: World, state: State, event: Event): { state: State, found: RotationCase | null } {
  const { now, lineage, flight } = state
  switch (event.does) {
    case 'pass':
      return { state: { ...state, now: now + TICK }, found: null }
    case 'send': {
      const message = { kind: event.kind, generation: state[event.kind], until: now + world.requestTicks * TICK }
      return { state: { ...state, flight: [...flight, message] }, found: null }
    }
    case 'lose':
      return { state: { ...state, flight: without(flight, event.message) }, found: null }
    case 'receive': {
      const { refresh, access } = event.message
      return {
        state: {
          ...state,
          refresh: event.keeps === 'access' || refresh === null ? state.refresh : refresh,
          access: event.keeps === 'refresh' ? state.access : access,
          flight: without(flight, event.message)
        },
        found: null
      }
    }
    case 'serve': {
      const left = event.again ? flight : without(flight, event.message)
      return event.message.kind === 'access'
        ? { state: { ...state, lineage: world.accessConfirms ? world.machine.confirm(lineage, event.message.generation, now) : lineage, flight: left }, found: null }
        : serveRefresh(world, { ...state, flight: left }, event.message.generation)
    }
  }
}

function serveRefresh (world: World, state: State, generation: number): { state: State, found: RotationCase } {
  const { machine, answerTicks } = world
  const { now, flight } = state
  const found = judge(world, state, generation)
  if (!isAnswered(found)) return { state, found }
  const lineage = machine.advance(state.lineage, found, tokenOf(generation), now)
  const refresh = machine.givesRefresh(found) ? lineage.generation : null
  return { state: { ...state, lineage, flight: [...flight, { kind: 'answer', refresh, access: lineage.generation, until: now + answerTicks * TICK }] }, found }
}

function without (flight: readonly Message[], message: Message): Message[] {
  const at = flight.indexOf(message)
  if (at < 0) throw new Error('no such message is in flight')
  return flight.toSpliced(at, 1)
}

/**
 * The state that stands for all that differ only in what no rule looks at: when it is, how many generations there were,
 * by how much an instant is past every limit, and in which order messages were sent.
 */
export function standFor ({ rules }: World, state: State): State {
  const { lineage, shown } = standForLineage(rules, state.lineage, state.now)
  // an access token of any older generation says the same: nothing
  const current = (generation: number): number => Math.max(lineage.generation - 1, shown(generation))
  return {
    now: 0,
    lineage,
    refresh: shown(state.refresh),
    access: current(state.access),
    flight: state.flight.map((message): Message => {
      const until = message.until - state.now
      if (message.kind === 'answer') return { ...message, refresh: message.refresh && shown(message.refresh), access: current(message.access), until }
      return { ...message, generation: message.kind === 'access' ? current(message.generation) : shown(message.generation), until }
    }).sort((a, b) => nameOf(a) < nameOf(b) ? -1 : 1)
  }
}

/** The same text for what is the same. */
export const nameOf = (message: Message): string => message.kind === 'answer'
  ? `answer ${message.refresh ?? '-'} ${message.access} ${message.until}`
  : `${message.kind} ${message.generation} ${message.until}`

export const nameOfState = ({ lineage, refresh, access, flight }: State): string =>
  `${nameOfLineage(lineage)} ${refresh} ${access} | ${flight.map(nameOf).join(' | ')}`
