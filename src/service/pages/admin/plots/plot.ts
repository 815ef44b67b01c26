import type { Series } from '../../../stats/series.js'
import type { Range } from './range.js'
import { linear, ticksUpTo, timeTicks } from './scale.js'
import type { Look, Subject } from './subjects.js'
import { toNumber, toTickNumber, toTickTime, toTime } from './words.js'

/** A rectangle of a bar. */
export interface Block { readonly y: number, readonly height: number, readonly look: Look }

/** What a template draws, in units of its own, and the figures behind it. */
export interface Plot {
  readonly id: string
  readonly title: string
  readonly box: typeof BOX
  /** What the vertical axis counts. */
  readonly unit: string
  /** All of it in a sentence or two. */
  readonly description: string
  /** What is worth a look first, such as "12 now". */
  readonly sum: string
  readonly legend: readonly { readonly label: string, readonly look: Look, readonly total: string }[]
  readonly yTicks: readonly { readonly y: number, readonly label: string }[]
  readonly xTicks: readonly { readonly x: number, readonly label: string }[]
  readonly bars: readonly { readonly x: number, readonly width: number, readonly hint: string, readonly blocks: readonly Block[] }[]
  /** Runs of points without a gap. */
  readonly lines: readonly { readonly line: string, readonly area: string, readonly end: readonly [x: number, y: number] }[]
  /** What is said in place of a picture; `null`: there is one. */
  readonly nothing: string | null
  readonly columns: readonly string[]
  /** The newest first. */
  readonly rows: readonly { readonly at: Date, readonly time: string, readonly cells: readonly string[] }[]
}

/** Room for labels that are twice as large on small screens. */
const BOX = { width: 480, height: 244, left: 64, right: 470, top: 34, bottom: 206 } as const
/** Labels nearer to the right edge would be cut off. */
const LABEL_ROOM = 32
const GAP = 1.5

type Values = readonly (readonly (number | null)[])[]

/** The picture of a subject, and its figures. */
export function toPlot ({ id, title, unit, kind, parts }: Subject, { at, values, step }: Series, { each }: Range): Plot {
  const all: Values = parts.map(({ name }) => values[name])
  const heights = at.map((_, n) => sum(all.map((of) => of[n] ?? 0)))
  const counts = ticksUpTo(Math.max(0, ...heights))
  const highest = counts.at(-1) ?? 1
  const [from, to] = [at[0]?.getTime() ?? 0, (at.at(-1)?.getTime() ?? 0) + step * 1000]
  const toX = linear([from, to], [BOX.left, BOX.right])
  const toY = linear([0, highest], [BOX.bottom, BOX.top])
  const hints = at.map((time, n) => `${toTime(time)} UTC: ${parts.map(({ label }, of) => `${label.toLowerCase()} ${toCell(all[of]?.[n])}`).join(', ')}`)
  const toBlocks = (n: number): Block[] => parts.flatMap(({ look }, of) => {
    const below = sum(all.slice(0, of).map((lower) => lower[n] ?? 0))
    const value = all[of]?.[n] ?? 0
    return value === 0 ? [] : [{ y: round(toY(below + value)), height: round(toY(below) - toY(below + value)), look }]
  })
  return {
    id,
    title,
    box: BOX,
    unit: kind === 'line' ? unit : `${unit} in ${each}`,
    ...(kind === 'line' ? tellLevels(all[0] ?? [], unit) : tellCounts(parts.map(({ label }) => label), all, unit)),
    legend: parts.map(({ label, look }, of) => ({ label, look, total: toNumber(sum((all[of] ?? []).map((value) => value ?? 0))) })),
    yTicks: counts.map((count) => ({ y: round(toY(count)), label: toTickNumber(count, highest) })),
    xTicks: timeTicks(from, to).map((time) => ({ x: round(toX(time)), label: toTickTime(time) })).filter(({ x }) => x <= BOX.width - LABEL_ROOM),
    bars: kind === 'line' ? [] : at.map((time, n) => ({ x: round(toX(time.getTime()) + GAP / 2), width: round(toX(from + step * 1000) - BOX.left - GAP), hint: hints[n] ?? '', blocks: toBlocks(n) })),
    lines: kind === 'bars' ? [] : runsOf(all[0] ?? []).map((run) => toLine(run.map(([n, value]): readonly [number, number] => [round(toX(from + (n + 0.5) * step * 1000)), round(toY(value))]))),
    columns: parts.map(({ label }) => label),
    rows: at.map((time, n) => ({ at: time, time: toTime(time), cells: all.map((of) => toCell(of[n])) })).reverse()
  }
}

/** The words to a plot of how many there are. */
function tellLevels (values: readonly (number | null)[], unit: string) {
  const known = values.filter((value) => value !== null)
  const last = known.at(-1)
  if (last === undefined) return { sum: 'not counted yet', description: `No ${unit} were counted in this time.`, nothing: 'Nothing was counted in this time' }
  return {
    sum: `${toNumber(last)} at the last count`,
    description: `At the last count ${toNumber(last)} ${unit}; at least ${toNumber(Math.min(...known))}, at most ${toNumber(Math.max(...known))} in this time.`,
    nothing: null
  }
}

/** The words to a plot of how often it happened. */
function tellCounts (labels: readonly string[], all: Values, unit: string) {
  const totals = all.map((values) => sum(values.map((value) => value ?? 0)))
  const total = sum(totals)
  const shares = labels.length === 1 ? '' : `: ${labels.map((label, of) => `${label.toLowerCase()} ${toNumber(totals[of] ?? 0)}`).join(', ')}`
  return {
    sum: total === 0 ? 'none' : `${toNumber(total)} in all`,
    description: total === 0 ? `No ${unit} in this time.` : `${toNumber(total)} ${unit} in this time${shares}.`,
    nothing: total === 0 ? `No ${unit} in this time` : null
  }
}

/** Neighbours that are known, with their places. */
function runsOf (values: readonly (number | null)[]): (readonly [n: number, value: number])[][] {
  const runs: [number, number][][] = []
  for (const [n, value] of values.entries()) {
    if (value === null) continue
    const last = runs.at(-1)
    if (last?.at(-1)?.[0] === n - 1) last.push([n, value])
    else runs.push([[n, value]])
  }
  return runs
}

function toLine (points: readonly (readonly [number, number])[]): Plot['lines'][number] {
  const line = points.map(([x, y]) => `${x},${y}`).join(' ')
  const [start, end] = [points[0] ?? [0, 0], points.at(-1) ?? [0, 0]]
  return { line, area: `${start[0]},${BOX.bottom} ${line} ${end[0]},${BOX.bottom}`, end: [end[0], end[1]] }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const round = (value: number): number => Math.round(value * 100) / 100
const toCell = (value: number | null | undefined): string => value === null || value === undefined ? 'not known' : toNumber(value)
