/**
 * Pictures of figures, as SVG that stands alone: no script, no font, no dependency; light or dark as the reader has it.
 *
 * @module
 */

const ROUND = [1, 2, 5]
const SHORT = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumSignificantDigits: 3 })

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .paper { fill: #ffffff }
  .title { font-size: 15px; font-weight: 600 }
  .head { font-weight: 600 }
  .faint { fill: #59636e; font-size: 11px }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .whisker { stroke: #1f2328; stroke-width: 1 }
  .peer { fill: #9aa4af }
  .ours, .one { fill: #1a7f37 }
  .one-line { stroke: #1a7f37 }
  .two { fill: #0969da }
  .two-line { stroke: #0969da; stroke-dasharray: 5 3 }
  .line { fill: none; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .paper { fill: #0d1117 }
    .faint { fill: #9198a1 }
    .grid { stroke: #30363d }
    .whisker { stroke: #e6edf3 }
    .peer { fill: #656c76 }
    .ours, .one { fill: #3fb950 }
    .one-line { stroke: #3fb950 }
    .two { fill: #58a6ff }
    .two-line { stroke: #58a6ff }
  }
`

/**
 * The whole picture.
 *
 * @param title and `description`: for those who do not see it; the title is drawn, too
 * @param parts what `element` and `text` have made
 */
export function toSvg ({ width, height, title, description }, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(description)}</desc>`,
    `<style>${STYLE}</style>`,
    element('rect', { class: 'paper', width, height }),
    text(title, { class: 'title', x: 16, y: 28 }),
    ...parts,
    '</svg>'
  ].join('\n') + '\n'
}

/** One element without contents. Numbers are cut to a hundredth. */
export const element = (name, attributes) => `<${name}${written(attributes)}/>`

export const text = (words, attributes) => `<text${written(attributes)}>${escaped(words)}</text>`

/** A straight line from one span of numbers to another. */
export const linear = ([from, to], [start, end]) => (value) => start + (value - from) / (to - from) * (end - start)

/** Round numbers from 0 to the first that is no less than `highest`, in at most `most` equal steps. Of 0 alone the end is 1. */
export function ticksUpTo (highest, most = 4) {
  if (!(highest > 0)) return [0, 1]
  const least = highest / most
  const power = 10 ** Math.floor(Math.log10(least))
  const step = (ROUND.find((round) => round * power >= least * (1 - 1e-9)) ?? 10) * power
  return Array.from({ length: Math.ceil(highest / step * (1 - 1e-9)) + 1 }, (_, n) => Number((n * step).toPrecision(12)))
}

/** Such as "950", "12.5k" or "1.2m". */
export const toShort = (value) => SHORT.format(value).toLowerCase()

function written (attributes) {
  return Object.entries(attributes).map(([name, value]) => ` ${name}="${typeof value === 'number' ? Math.round(value * 100) / 100 : escaped(value)}"`).join('')
}

function escaped (words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
