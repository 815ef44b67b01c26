import { isAnswered } from '../../../src/tokens/rotation.js'
import type { RotationCase } from '../../../src/tokens/rotation.js'
import { BEGINNING, eventsOf, follow, judge, nameOf, nameOfState, standFor } from './world.js'
import type { Event, Message, State, World } from './world.js'

export interface Exploration {
  /** How many states are reachable, or were seen before the alarm. */
  readonly states: number
  /** How often each event and each case was met. */
  readonly seen: ReadonlyMap<string, number>
  /** The shortest way to a holder that is refused; `null`: there is none. */
  readonly alarm: readonly Event[] | null
}

interface Reached { readonly state: State, readonly from: Reached | null, readonly by: Event | null }

/** Follows every order of events from the beginning, nearest first, until a holder is refused or nothing new is left. */
export function explore (world: World): Exploration {
  const seen = new Map<string, number>()
  const note = (what: string): void => { seen.set(what, (seen.get(what) ?? 0) + 1) }
  const first: Reached = { state: standFor(world, BEGINNING), from: null, by: null }
  const known = new Set([nameOfState(first.state)])
  const queue = [first]
  for (const reached of queue) {
    // whatever was lost can be asked for again: with all else lost, the token that the holders have is good
    const retried = judge(world, reached.state, reached.state.refresh)
    note(`holding ${retried}`)
    for (const event of eventsOf(world, reached.state)) {
      const { state, found } = follow(world, reached.state, event)
      note(kindOf(event))
      if (found !== null) note(found)
      if (found !== null && !isAnswered(found)) return { states: known.size, seen, alarm: wayTo({ state, from: reached, by: event }) }
      const next = standFor(world, state)
      const name = nameOfState(next)
      if (known.has(name)) continue
      known.add(name)
      queue.push({ state: next, from: reached, by: event })
    }
  }
  return { states: known.size, seen, alarm: null }
}

function kindOf (event: Event): string {
  switch (event.does) {
    case 'pass': return 'pass'
    case 'send': return `send ${event.kind}`
    case 'lose': return `lose ${event.message.kind}`
    case 'serve': return `serve ${event.message.kind}${event.again ? ' again' : ''}`
    case 'receive': return `receive ${event.message.refresh === null ? 'access' : 'refresh and access'}, keep ${event.keeps}`
  }
}

function wayTo (reached: Reached): Event[] {
  const way: Event[] = []
  for (let at: Reached | null = reached; at?.by; at = at.from) way.unshift(at.by)
  return way
}

export interface Replayed { readonly lines: readonly string[], readonly found: RotationCase | null }

/** Lives a history through with generations and instants as they are, and tells it message by message. */
export function replay (world: World, history: readonly Event[]): Replayed {
  let state = BEGINNING
  let last: RotationCase | null = null
  const lines = [`t=0  the holders have refresh ${state.refresh} and access ${state.access}`]
  for (const abstract of history) {
    const event = concrete(world, state, abstract)
    const { state: next, found } = follow(world, state, event)
    if (event.does !== 'pass') lines.push(`t=${state.now / 1000}  ${tell(event, state, next, found)}`)
    state = next
    last = found
  }
  return { lines, found: last }
}

/** The event of a standing state, with the message that it means here. */
function concrete (world: World, state: State, event: Event): Event {
  switch (event.does) {
    case 'lose': return { ...event, message: meant(world, state, event.message) }
    case 'serve': return { ...event, message: meant(world, state, event.message) }
    case 'receive': return { ...event, message: meant(world, state, event.message) }
    default: return event
  }
}

function meant<Kind extends Message> (world: World, state: State, message: Kind): Kind {
  const isMeant = (here: Message): here is Kind => here.kind === message.kind &&
    standFor(world, { ...state, flight: [here] }).flight.some((like) => nameOf(like) === nameOf(message))
  const found = state.flight.find(isMeant)
  if (found === undefined) throw new Error(`${nameOf(message)} is not in flight`)
  return found
}

function tell (event: Exclude<Event, { does: 'pass' }>, before: State, after: State, found: RotationCase | null): string {
  if (event.does === 'send') return `a holder sends ${event.kind} ${before[event.kind]}`
  const { message } = event
  const carried = message.kind === 'answer' ? `the answer with ${message.refresh === null ? '' : `refresh ${message.refresh} and `}access ${message.access}` : `${message.kind} ${message.generation}`
  if (event.does === 'lose') return `${carried} is lost`
  if (event.does === 'receive') return `${carried} arrives; the holders keep ${event.keeps}: they have refresh ${after.refresh} and access ${after.access}`
  const copy = event.again ? '; a repetition is still under way' : ''
  if (found === null) {
    const confirms = before.lineage.confirmedAt === null && after.lineage.confirmedAt !== null
    return `${carried} reaches a verifier${confirms ? `: ${after.lineage.generation} is confirmed` : ''}${copy}`
  }
  const answer = after.flight.at(-1)
  const given = isAnswered(found) && answer?.kind === 'answer' ? `; answers ${answer.refresh === null ? '' : `refresh ${answer.refresh} and `}access ${answer.access}` : ''
  return `${carried} reaches the server, which is at ${before.lineage.generation}: ${found}${given}${copy}`
}
