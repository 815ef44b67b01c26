import { element, linear, text, ticksUpTo, toShort, toSvg } from './svg.js'

const WIDTH = 960
const LEFT = 72
const RIGHT = WIDTH - 24
const PLOT = 120
const STEP = 196
const TOP = 76
const LOOKS = ['one', 'two']

/**
 * Lines over time, one plot below the other, each with an axis of its own that begins at 0.
 *
 * @param at the instants, in minutes
 * @param plots `{ title, unit, lines }`: at most two lines, `{ name, values }`, with a value an instant; `null`: none
 */
export function lineChart ({ title, description, at, plots }) {
  const times = ticksUpTo(Math.max(...at), 10)
  const toX = linear([0, Math.max(...at)], [LEFT, RIGHT])
  const parts = plots.flatMap((plot, n) => draw(plot, { at, times: times.filter((time) => time <= Math.max(...at)), toX, top: TOP + n * STEP }))
  return toSvg({ width: WIDTH, height: TOP + plots.length * STEP, title, description }, parts)
}

function draw ({ title, unit, lines }, { at, times, toX, top }) {
  const bottom = top + PLOT
  const ticks = ticksUpTo(Math.max(0, ...lines.flatMap(({ values }) => values.filter((value) => value !== null))), 4)
  const toY = linear([0, ticks.at(-1)], [bottom, top])
  return [
    text(`${title}, ${unit}`, { class: 'head', x: 16, y: top - 16 }),
    ...ticks.flatMap((tick) => [
      element('line', { class: 'grid', x1: LEFT, x2: RIGHT, y1: toY(tick), y2: toY(tick) }),
      text(toShort(tick), { class: 'faint', x: LEFT - 8, y: toY(tick) + 4, 'text-anchor': 'end' })
    ]),
    ...times.map((time) => text(`${toShort(time)} min`, { class: 'faint', x: toX(time), y: bottom + 18, 'text-anchor': 'middle' })),
    ...lines.flatMap(({ name, values }, n) => [
      element('polyline', { class: `line ${LOOKS[n]}-line`, points: at.flatMap((time, m) => values[m] === null ? [] : [`${toX(time).toFixed(1)},${toY(values[m]).toFixed(1)}`]).join(' ') }),
      element('line', { class: `line ${LOOKS[n]}-line`, x1: RIGHT - 340 + n * 180, x2: RIGHT - 312 + n * 180, y1: top - 20, y2: top - 20 }),
      text(name, { x: RIGHT - 306 + n * 180, y: top - 16 })
    ])
  ]
}
