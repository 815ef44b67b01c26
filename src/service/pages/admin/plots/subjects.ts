import type { StatisticName } from '../../../stats/series.js'

/** A line, or a part of each bar. */
export interface Part {
  readonly name: StatisticName
  readonly label: string
  /** Of colour and pattern. */
  readonly look: Look
}

/** How a part looks: a colour and a pattern, so that colour alone tells nothing. */
export type Look = 'good' | 'bad' | 'calm' | 'warm' | 'deep'

/** What a plot is of. */
export interface Subject {
  readonly id: string
  readonly title: string
  /** What is counted, in the plural. */
  readonly unit: string
  /** `line`: how many there are; `bars`: how often it happened. */
  readonly kind: 'line' | 'bars'
  readonly parts: readonly Part[]
}

export const SUBJECTS: readonly Subject[] = [
  { id: 'live', title: 'Live sessions', unit: 'sessions', kind: 'line', parts: [{ name: 'live_sessions', label: 'Live sessions', look: 'good' }] },
  {
    id: 'sign-ins',
    title: 'Sign-ins',
    unit: 'sign-ins',
    kind: 'bars',
    parts: [{ name: 'sign_ins', label: 'Passed', look: 'good' }, { name: 'sign_ins_refused', label: 'Refused', look: 'bad' }]
  },
  {
    id: 'refreshes',
    title: 'Refreshes by outcome',
    unit: 'refreshes',
    kind: 'bars',
    parts: [
      { name: 'refresh_rotate', label: 'Rotated', look: 'good' },
      { name: 'refresh_replay', label: 'Repeated', look: 'calm' },
      { name: 'refresh_early', label: 'Early', look: 'warm' },
      { name: 'refresh_straggler', label: 'Straggler', look: 'deep' },
      { name: 'refresh_refused', label: 'Refused', look: 'bad' }
    ]
  },
  { id: 'alarms', title: 'Alarms', unit: 'alarms', kind: 'bars', parts: [{ name: 'alarms', label: 'Alarms', look: 'bad' }] }
]
