/** Where the marks of an axis stand. */

const HOUR_MS = 3_600_000
const HOURS = [1, 2, 3, 6, 12, 24, 48, 168, 336, 672]
const ROUND = [1, 2, 5]

/** Round whole numbers from 0 to the first that is no less than `highest`, in at most `most` equal steps; of 0 alone the end is 1. */
export function ticksUpTo (highest: number, most = 4): number[] {
  const least = Math.max(1, highest / most)
  const power = 10 ** Math.floor(Math.log10(least))
  const step = Math.max(1, (ROUND.find((round) => round * power >= least) ?? 10) * power)
  const count = Math.max(1, Math.ceil(highest / step))
  return Array.from({ length: count + 1 }, (_, n) => n * step)
}

/** Round instants of UTC, in milliseconds, from `from` on and before `to`, at most `most` steps apart. */
export function timeTicks (from: number, to: number, most = 5): number[] {
  const step = HOUR_MS * (HOURS.find((hours) => hours * HOUR_MS * most >= to - from) ?? HOURS.at(-1) ?? 1)
  const first = Math.ceil(from / step) * step
  return Array.from({ length: Math.max(0, Math.ceil((to - first) / step)) }, (_, n) => first + n * step)
}

/** A straight line from one span of numbers to another. */
export const linear = ([from, to]: readonly [number, number], [start, end]: readonly [number, number]) =>
  (value: number): number => start + (value - from) / (to - from) * (end - start)
