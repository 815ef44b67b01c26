/** How far back plots go. */
export interface Range {
  readonly name: string
  readonly label: string
  readonly seconds: number
  /** Seconds of one point: a multiple of five minutes. */
  readonly step: number
  /** The same in words. */
  readonly each: string
}

const DAY: Range = { name: '24h', label: '24 hours', seconds: 86_400, step: 1_800, each: '30 minutes' }

export const RANGES: readonly Range[] = [
  DAY,
  { name: '7d', label: '7 days', seconds: 604_800, step: 10_800, each: '3 hours' },
  { name: '30d', label: '30 days', seconds: 2_592_000, step: 43_200, each: '12 hours' }
]

/** That of this name; of another name 24 hours. */
export const rangeOf = (name: string): Range => RANGES.find((range) => range.name === name) ?? DAY
