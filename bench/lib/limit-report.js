/** What `npm run bench:limit` says. */

import { tellMachine } from './machine.js'
import { spread, toTable } from './table.js'

export const REPORT = {
  name: 'limit',
  page: 'benchmarks.md',
  toMarkdown: ({ machine, run, rows }) => [
    tellMachine(machine),
    `${run.rounds} rounds of ${run.seconds} s in turn, ${run.sessions} sessions; medians (least–most).`,
    toTable(['statement', 'through', 'at once', 'statements/s', 'sessions/s', 'mean ms', 'CPU µs/session'], rows.map(cellsOf)),
    ...(rows.some(({ through }) => through === 'pgbench') ? [] : ['There is no pgbench on this machine: it comes with the server of a distribution, not with npm\'s.'])
  ].join('\n\n') + '\n'
}

function cellsOf ({ statement, through, atOnce, sessions, rate, mean, cpuMicros }) {
  return [
    statement,
    through,
    String(atOnce),
    through === 'store' ? '' : spread(rate, 0),
    (rate.median * sessions).toFixed(0),
    mean.median.toFixed(2),
    cpuMicros === null ? '' : (cpuMicros.median / sessions).toFixed(1)
  ]
}
