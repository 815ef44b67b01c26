/** What `npm run bench:conditions` says. */

import { tellMachine } from './machine.js'
import { spread, toTable, verdict } from './table.js'

/** @param conditions by name: `title`, `judge` and `tell`; the two get the figures of one */
export function reportOf (conditions) {
  /** One row a limit. */
  const rowsOf = (figures) => Object.entries(figures).flatMap(([name, of]) => conditions[name].judge(of).map((row) => ({ title: conditions[name].title, ...row })))
  return {
    name: 'conditions',
    page: 'benchmarks.md',
    rowsOf,
    toMarkdown: ({ machine, figures }) => [
      tellMachine(machine),
      toTable(['condition', 'what', 'limit', 'measured', ''], rowsOf(figures).map(({ title, what, limit, measured, digits = 2, met }) => [title, what, limit, toText(measured, digits), verdict(met)])),
      ...Object.entries(figures).map(([name, of]) => `*${conditions[name].title}.* ${conditions[name].tell(of)}`)
    ].join('\n\n') + '\n'
  }
}

function toText (measured, digits) {
  return typeof measured === 'number' ? measured.toFixed(digits) : spread(measured, digits)
}
