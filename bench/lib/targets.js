/** What docs/benchmarks.md compares against: the rows of the specification that today's workloads cover. */

import { summary } from './statistics.js'

/** `value` gets, for one round, the figures of a contender by its name. */
const TARGETS = [
  atLeast(8, 'read', 32, rateAgainst('fastify-session')),
  atLeast(4, 'read', 32, rateAgainst('fastify-session-no-rolling')),
  atLeast(8, 'read', 32, rateAgainst('express-session')),
  atLeast(1, 'read', 32, rateAgainst('secure-session')),
  atLeast(4, 'write', 32, rateAgainst('fastify-session')),
  atLeast(6, 'write', 32, rateAgainst('express-session')),
  atLeast(0.9, 'anonymous', 32, rateAgainst('plain')),
  atLeast(0.75, 'verify', 32, rateAgainst('plain')),
  atLeast(0.6, 'rotate', 32, rateAgainst('two-updates')),
  {
    workload: 'read',
    connections: 1,
    what: 'p50 over plain, against that of one-query over plain',
    limit: 1.15,
    meets: (ratio) => ratio <= 1.15,
    needs: ['silverback', 'one-query', 'plain'],
    value: (of) => (of('silverback').p50 - of('plain').p50) / (of('one-query').p50 - of('plain').p50)
  }
]

function rateAgainst (peer) {
  return { what: `req/s against ${peer}`, needs: ['silverback', peer], value: (of) => of('silverback').rate / of(peer).rate }
}

function atLeast (limit, workload, connections, measured) {
  return { workload, connections, limit, meets: (ratio) => ratio >= limit, ...measured }
}

/**
 * Judges the targets by the median of the rounds' ratios: what ran one after the other is compared, whatever the
 * machine did an hour before.
 *
 * @param rows as `tabulate` gives them
 * @returns for each target its summary, and whether it is met; `null` where a contender was not measured or failed
 */
export function judge (rows) {
  return TARGETS.map(({ workload, connections, what, limit, needs, meets, value }) => {
    const cell = rows.filter((row) => row.workload === workload && row.connections === connections)
    const measured = needs.map((name) => cell.find((row) => row.contender === name))
    const complete = measured.every((row) => row !== undefined && row.failure === null)
    const rounds = complete ? measured[0].rounds.map((_figures, round) => value((name) => cell.find((row) => row.contender === name).rounds[round])) : []
    const ratio = summary(rounds)
    return { workload, connections, what, limit, ratio, met: ratio === null ? null : meets(ratio.median) }
  })
}
