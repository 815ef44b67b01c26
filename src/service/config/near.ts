import { editDistance } from '../../core/options.js'

/** Slips of a keyboard: two letters swapped, or two of them missing, too many or wrong. */
const MOST_EDITS = 2
/** Of two edits a short name becomes any other: HOST is HOME. */
const SHORTEST = 10

/** The known name of which `given` is a slip, capitals aside; `undefined`: of none. Short names are not judged. */
export function slipOf (given: string, known: readonly string[]): string | undefined {
  return known.find((name) => name.length >= SHORTEST && editDistance(given.toUpperCase(), name) <= MOST_EDITS)
}
