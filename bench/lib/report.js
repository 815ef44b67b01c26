/** What `npm run bench` says: Markdown for a terminal and for docs/benchmarks.md, and a picture. */

import { barChart } from './bars.js'
import { tellMachine } from './machine.js'
import { spread, toTable, verdict } from './table.js'

/** The targets, then the figures of each workload and number of connections. */
export function toMarkdown ({ machine, run, rows, targets }) {
  return [
    tellMachine(machine),
    `${run.rounds} rounds of ${run.seconds} s, ${run.visitors} sessions, pools of ${run.max}; medians (least–most).`,
    ...(targets.length === 0 ? [] : [targetTable(targets)]),
    ...groupsBy(rows, titleOf).map(tableOf)
  ].join('\n\n') + '\n'
}

/** Requests a second: a group of bars a workload, a column a number of connections. */
export function toChart ({ machine, rows }) {
  const counts = [...new Set(rows.map(({ connections }) => connections))]
  return barChart({
    title: `Requests a second, ${machine.cores} cores, PostgreSQL ${machine.postgres.server_version.split(' ')[0]}`,
    description: 'Longer is faster. Medians; the thin line goes from the least to the most of the rounds.',
    unit: 'req/s',
    columns: counts.map(connectionsIn),
    groups: groupsBy(rows, ({ workload }) => workload).map((group) => ({
      title: group[0].workload,
      names: [...new Set(group.map(({ contender }) => contender))],
      cells: counts.map((count) => Object.fromEntries(group.filter(({ connections, failure }) => connections === count && failure === null).map(({ contender, rate }) => [contender, rate])))
    })),
    ours: (name) => name.startsWith('silverback')
  })
}

export const REPORT = {
  name: 'benchmarks',
  page: 'benchmarks.md',
  alt: 'Requests a second of every contender: the figures are in the tables below',
  toMarkdown,
  toChart
}

/** Node.js 20 has no Object.groupBy. */
function groupsBy (rows, keyOf) {
  const found = new Map()
  for (const row of rows) found.set(keyOf(row), [...found.get(keyOf(row)) ?? [], row])
  return [...found.values()]
}

const connectionsIn = (count) => `${count} connection${count === 1 ? '' : 's'}`
const titleOf = ({ workload, connections }) => `${workload}, ${connectionsIn(connections)}`

function tableOf (rows) {
  const cells = rows.map((row) => row.failure === null
    ? [
        row.contender,
        spread(row.rate, 0),
        row.silverback === null ? '' : `${spread(row.silverback, 2)} ×`,
        row.p50.median.toFixed(2),
        row.p99.median.toFixed(2),
        row.cpuMicros.median.toFixed(0),
        row.statements === null ? '' : row.statements.toFixed(2)
      ]
    : [row.contender, `NOT COUNTED: ${row.failure}`, '', '', '', '', ''])
  return `### ${titleOf(rows[0])}\n\n` + toTable(['contender', 'req/s', 'Silverback is', 'p50 ms', 'p99 ms', 'CPU µs/req', 'SQL/req'], cells)
}

function targetTable (targets) {
  const cells = targets.map(({ workload, connections, what, limit, ratio, met }) => [titleOf({ workload, connections }), what, limit, spread(ratio, 2), verdict(met)])
  return '### Targets\n\n' + toTable(['workload', 'what', 'target', 'measured', ''], cells)
}
