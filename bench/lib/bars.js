import { element, linear, text, ticksUpTo, toShort, toSvg } from './svg.js'

const LEFT = 196
const PANEL = 244
const GAP = 28
const BAR = 14
const STEP = 20
const TOP = 72
/** For the words at the end of the longest bar. */
const LABEL = 40
const AXIS = 54

/**
 * Bars from the left, in panels: one line of panels a group, one column a column, every panel with an axis of its own.
 *
 * @param groups `{ title, names, cells }`: `cells[column][name]` is `{ median, min, max }`, or `null`: not measured
 * @param ours which names are drawn as ours
 */
export function barChart ({ title, description, unit, columns, groups, ours }) {
  const width = LEFT + Math.max(2, columns.length) * (PANEL + GAP)
  const parts = columns.map((column, n) => text(`${column}, ${unit}`, { class: 'faint', x: leftOf(n), y: 52 }))
  let y = TOP
  for (const group of groups) {
    parts.push(text(group.title, { class: 'head', x: 16, y: y + 4 }))
    group.names.forEach((name, row) => {
      parts.push(text(name, { x: LEFT - 10, y: y + 26 + row * STEP, 'text-anchor': 'end', ...(ours(name) && { class: 'head' }) }))
    })
    columns.forEach((_column, n) => { parts.push(...panel(group.names, group.cells[n], { x: leftOf(n), y: y + 12, ours })) })
    y += group.names.length * STEP + AXIS
  }
  return toSvg({ width, height: y, title, description }, parts)
}

const leftOf = (column) => LEFT + column * (PANEL + GAP)

function panel (names, cell, { x, y, ours }) {
  const measured = names.map((name) => cell[name]).filter((summary) => summary != null)
  const ticks = ticksUpTo(Math.max(0, ...measured.map(({ max }) => max)), 4)
  const toX = linear([0, ticks.at(-1)], [x, x + PANEL - LABEL])
  const bottom = y + names.length * STEP
  return [
    ...ticks.flatMap((tick) => [
      element('line', { class: 'grid', x1: toX(tick), x2: toX(tick), y1: y, y2: bottom }),
      text(toShort(tick), { class: 'faint', x: toX(tick), y: bottom + 14, 'text-anchor': 'middle' })
    ]),
    ...names.flatMap((name, row) => bar(cell[name], { x, y: y + row * STEP, toX, look: ours(name) ? 'ours' : 'peer' }))
  ]
}

/** A bar to the median, a whisker from the least to the most, and the median in figures. */
function bar (summary, { x, y, toX, look }) {
  const middle = y + STEP / 2
  if (summary == null) return [text('not measured', { class: 'faint', x: x + 4, y: middle + 4 })]
  const { median, min, max } = summary
  return [
    element('rect', { class: look, x, y: middle - BAR / 2, width: Math.max(1, toX(median) - x), height: BAR }),
    element('line', { class: 'whisker', x1: toX(min), x2: toX(max), y1: middle, y2: middle }),
    text(toShort(median), { class: 'faint', x: toX(max) + 4, y: middle + 4 })
  ]
}
