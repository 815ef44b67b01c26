import { summary } from './statistics.js'

const FIGURES = ['rate', 'p50', 'p99', 'cpuMicros', 'loadMicros']

/**
 * One row for each contender in each cell: medians and spread of its rounds, and its ratio to Silverback.
 *
 * @param measurements in the order in which they were made: `{ contender, workload, connections, figures }`
 * @param statements the same with `perRequest`
 */
export function tabulate (measurements, statements) {
  const rows = new Map()
  for (const { contender, workload, connections, figures } of measurements) {
    const key = `${workload} ${connections} ${contender}`
    const row = rows.get(key) ?? { workload, connections, contender, rounds: [], failure: null }
    row.rounds.push(figures)
    if (figures.failures > 0) row.failure ??= `${figures.failures} wrong answers, such as: ${figures.example}`
    rows.set(key, row)
  }
  for (const row of rows.values()) {
    for (const name of FIGURES) row[name] = summary(row.rounds.map((figures) => figures[name]))
    row.statements = statements.find((counted) => isSame(counted, row) && counted.contender === row.contender)?.perRequest ?? null
    const ours = rows.get(`${row.workload} ${row.connections} silverback`)
    const counts = ours !== undefined && ours.failure === null && row.failure === null
    row.silverback = counts ? summary(row.rounds.map(({ rate }, round) => ours.rounds[round].rate / rate)) : null
  }
  return [...rows.values()].sort((a, b) => order(a) - order(b))

  function order (row) {
    return measurements.findIndex((one) => isSame(one, row))
  }
}

const isSame = (a, b) => a.workload === b.workload && a.connections === b.connections
