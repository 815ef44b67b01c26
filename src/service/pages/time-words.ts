const UNITS = [['year', 31_557_600], ['month', 2_629_800], ['week', 604_800], ['day', 86_400], ['hour', 3_600], ['minute', 60]] as const
const RELATIVE = new Intl.RelativeTimeFormat('en-GB', { numeric: 'always' })
const EXACT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
/** Less than this is now: the clocks of the machines may differ by as much. */
const NOW_SECONDS = 60

/** An instant as pages show it. */
export interface Moment {
  /** For machines. */
  readonly iso: string
  /** Such as "21 Nov 2026, 16:51 UTC". */
  readonly exact: string
  /** Such as "3 hours ago", "in 2 weeks" or "just now". */
  readonly relative: string
}

export function toMoment (at: Date, now: number): Moment {
  return { iso: at.toISOString(), exact: `${EXACT.format(at)} UTC`, relative: relative((at.getTime() - now) / 1000) }
}

/** A span of time, such as "2 minutes": rounded up, so that who waits as long has waited long enough. */
export function inWords (seconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1] as const
  return new Intl.NumberFormat('en-GB', { style: 'unit', unit, unitDisplay: 'long' }).format(Math.max(1, Math.ceil(seconds / size)))
}

function relative (seconds: number): string {
  if (Math.abs(seconds) < NOW_SECONDS) return 'just now'
  const span = Math.round(seconds / 60) * 60 // else a day that has just begun would be 23 hours
  const [unit, size] = UNITS.find(([, size]) => Math.abs(span) >= size) ?? ['minute', 60] as const
  return RELATIVE.format(Math.trunc(span / size), unit)
}
