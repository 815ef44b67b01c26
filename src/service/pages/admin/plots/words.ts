/** Numbers and instants as plots and their tables show them. */

const WHOLE = new Intl.NumberFormat('en-GB')
const SHORT = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 })
const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'UTC' })
const SHORT_FROM = 10_000
const DAY_MS = 86_400_000

/** Such as "1,234". */
export const toNumber = (value: number): string => WHOLE.format(value)

/** For an axis that ends at `highest`: such as "1,234", or "12.5k" where that is large. */
export const toTickNumber = (value: number, highest: number): string => highest < SHORT_FROM ? WHOLE.format(value) : SHORT.format(value)

/** For an axis: the day at midnight, else the hour. */
export const toTickTime = (at: number): string => at % DAY_MS === 0 ? DATE.format(at) : TIME.format(at)

/** Such as "21 Nov, 16:30". */
export const toTime = (at: number | Date): string => `${DATE.format(at)}, ${TIME.format(at)}`
