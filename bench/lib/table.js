/** A Markdown table that can be read in a terminal too: the first column to the left, all others to the right. */
export function toTable (head, cells) {
  const widths = head.map((title, column) => Math.max(3, title.length, ...cells.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((text, column) => column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`
  return [line(head), rule, ...cells.map(line)].join('\n')
}

/** Such as "5.69 (5.35–5.70)"; `null`: it was not measured. */
export function spread (summary, digits) {
  if (summary === null) return 'not measured'
  const { median, min, max } = summary
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

/** Such as "10,000". */
export const toNumber = (value) => new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 }).format(value)

/** `null`: nobody can say. */
export const verdict = (met) => met === null ? '' : met ? 'met' : 'NOT MET'
