/** What a run says: Markdown that can be read in a terminal and put into docs/benchmarks.md. */

/** The figures of each workload and number of connections, then the targets. */
export function toMarkdown ({ machine, run, rows, targets }) {
  return [
    `${machine.date}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Node.js ${machine.node}, PostgreSQL ${machine.postgres.server_version} ` +
    `(fsync ${machine.postgres.fsync}, synchronous_commit ${machine.postgres.synchronous_commit}); load average ${machine.loadAverage.join(' → ')}.`,
    `${run.rounds} rounds of ${run.seconds} s, ${run.visitors} sessions, pools of ${run.max}; medians (least–most).`,
    ...groups(rows).map(tableOf),
    ...(targets.length === 0 ? [] : [targetTable(targets)])
  ].join('\n\n') + '\n'
}

function groups (rows) {
  return Object.values(Object.groupBy?.(rows, titleOf) ?? groupBy(rows, titleOf))
}

/** Node.js 20 has no Object.groupBy. */
function groupBy (rows, keyOf) {
  const found = {}
  for (const row of rows) (found[keyOf(row)] ??= []).push(row)
  return found
}

const titleOf = ({ workload, connections }) => `${workload}, ${connections} connection${connections === 1 ? '' : 's'}`

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
  const cells = targets.map(({ workload, connections, what, limit, ratio, met }) => [
    titleOf({ workload, connections }), what, String(limit), ratio === null ? 'not measured' : spread(ratio, 2), met === null ? '' : met ? 'met' : 'NOT MET'
  ])
  return '### Targets\n\n' + toTable(['workload', 'what', 'target', 'measured', ''], cells)
}

function spread ({ median, min, max }, digits) {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

function toTable (head, cells) {
  const widths = head.map((title, column) => Math.max(3, title.length, ...cells.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((text, column) => column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`
  return [line(head), rule, ...cells.map(line)].join('\n')
}
