import { MemoryStore } from '../../src/stores/memory/store.js'
import type { Store } from '../../src/session/store.js'
import type { StoreHarness } from '../../src/testing/index.js'

/** Nowhere near the machine's clock, so that a store that reads that one is seen. */
const NOON = new Date('2035-06-01T12:00:00Z')

export interface Clock {
  now (): Date
  advance (seconds: number): void
}

/** A clock that moves only when told. */
export function standingClock (start = NOON): Clock {
  let now = start.getTime()
  return {
    now: () => new Date(now),
    advance (seconds) { now += Math.round(seconds * 1000) }
  }
}

/**
 * A memory store on a clock of its own, for the contract.
 *
 * @param wrap makes of it the store under test
 */
export function memoryHarness (wrap: (store: MemoryStore, clock: Clock) => Store = (store) => store): StoreHarness {
  const clock = standingClock()
  const store = wrap(new MemoryStore({ clock: () => clock.now() }), clock)
  return {
    store,
    async advance (seconds) { clock.advance(seconds) },
    close: () => store.close(),
    clockStandsStill: true
  }
}
