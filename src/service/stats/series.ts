/** What is counted. `ended`: by somebody, not by the passing of time. `alarms`: refresh tokens that came back. */
export const COUNTERS = [
  'sign_ins', 'sign_ins_refused', 'registrations', 'refresh_rotate', 'refresh_replay', 'refresh_early', 'refresh_straggler',
  'refresh_refused', 'alarms', 'throttled', 'ended', 'blocked'
] as const
/** How many sessions had not expired. */
export const LIVE = 'live_sessions'

export type CounterName = typeof COUNTERS[number]
export type StatisticName = CounterName | typeof LIVE

/** What is asked for: from `from` on, before `to`. */
export interface Span {
  readonly from: Date
  readonly to: Date
  /** Seconds from one point to the next: a multiple of 300. */
  readonly step: number
}

/** Values over time, of all nodes together. */
export interface Series {
  /** Seconds from one point to the next. */
  readonly step: number
  /** When the time of each point began: whole steps since 1970. The last may not be over. */
  readonly at: readonly Date[]
  /** A value a point. Of counters how often in that time; of `live_sessions` the last that was seen then, `null`: none was. */
  readonly values: Readonly<Record<CounterName, readonly number[]>> & Readonly<Record<typeof LIVE, readonly (number | null)[]>>
}

/** A value of one step, as it is stored. */
export interface StoredValue {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly value: number
}

/** More points are not drawn. */
const MOST_POINTS = 2_000
export const BUCKET_SECONDS = 300

/** When each point begins. @throws RangeError for a step that is no multiple of five minutes, an end before its beginning, or more than 2,000 points */
export function pointsOf ({ from, to, step }: Span): number[] {
  if (!Number.isInteger(step) || step <= 0 || step % BUCKET_SECONDS !== 0) throw new RangeError('"step" must be a multiple of 300 seconds')
  const [stepMs, end] = [step * 1000, to.getTime()]
  const first = Math.floor(from.getTime() / stepMs) * stepMs
  if (!(first < end)) throw new RangeError('"to" must come after "from"')
  const count = Math.ceil((end - first) / stepMs)
  if (count > MOST_POINTS) throw new RangeError(`"step" is too small: ${MOST_POINTS} points are the most`)
  return Array.from({ length: count }, (_, n) => first + n * stepMs)
}

/** Puts what is stored where it belongs, and says what nobody counted. */
export function toSeries (span: Span, stored: readonly StoredValue[]): Series {
  const points = pointsOf(span)
  const found = new Map(stored.map(({ name, at, value }) => [`${name} ${at}`, value]))
  const of = (name: string): (number | null)[] => points.map((at) => found.get(`${name} ${at}`) ?? null)
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, of(name).map((value) => value ?? 0)])) as Record<CounterName, number[]> // the keys are those
  return { step: span.step, at: points.map((at) => new Date(at)), values: { ...counters, [LIVE]: of(LIVE) } }
}
