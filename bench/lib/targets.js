/** The rows of the specification that `npm run bench` measures, and what they ask for. */

import { summary } from './statistics.js'

/** Silverback reading nothing from the database, but for what goes on in the background, such as a heartbeat. */
const NO_SQL = 0.01

/** `value` gets, for one round, the figures of a contender by its name. */
const TARGETS = [
  atLeast(8, 'read', 32, rateAgainst('fastify-session')),
  atLeast(4, 'read', 32, rateAgainst('fastify-session-no-rolling')),
  atLeast(8, 'read', 32, rateAgainst('express-session')),
  atLeast(1, 'read', 32, rateAgainst('secure-session')),
  atLeast(1.15, 'read', 32, rateAgainst('secure-session', 'silverback-cached')),
  atLeast(0.7, 'read', 32, rateAgainst('plain', 'silverback-cached')),
  atLeast(4, 'write', 32, rateAgainst('fastify-session')),
  atLeast(6, 'write', 32, rateAgainst('express-session')),
  atLeast(0.9, 'anonymous', 32, rateAgainst('plain')),
  atMost(NO_SQL, 'anonymous', 32, statementsARequest()),
  atLeast(0.75, 'verify', 32, rateAgainst('plain')),
  atMost(NO_SQL, 'verify', 32, statementsARequest()),
  atLeast(0.6, 'rotate', 32, rateAgainst('two-updates')),
  atMost(1.15, 'read', 1, {
    what: 'p50 over plain, against that of one-query over plain',
    needs: ['silverback', 'one-query', 'plain'],
    value: (of) => (of('silverback').p50 - of('plain').p50) / (of('one-query').p50 - of('plain').p50)
  })
]

function rateAgainst (peer, ours = 'silverback') {
  return { what: `${ours === 'silverback' ? '' : `${ours}: `}req/s against ${peer}`, needs: [ours, peer], value: (of) => of(ours).rate / of(peer).rate }
}

function statementsARequest () {
  return { what: 'SQL a request', needs: ['silverback'], value: (of) => of('silverback').statements }
}

function atLeast (limit, workload, connections, measured) {
  return { workload, connections, limit: `≥ ${limit}`, meets: (ratio) => ratio >= limit, ...measured }
}

function atMost (limit, workload, connections, measured) {
  return { workload, connections, limit: `≤ ${limit}`, meets: (ratio) => ratio <= limit, ...measured }
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
    const rowOf = (name) => cell.find((row) => row.contender === name)
    const complete = needs.every((name) => rowOf(name) !== undefined && rowOf(name).failure === null)
    const rounds = complete
      ? rowOf(needs[0]).rounds.map((_figures, round) => value((name) => ({ ...rowOf(name).rounds[round], statements: rowOf(name).statements })))
      : []
    const ratio = summary(rounds)
    return { workload, connections, what, limit, ratio, met: ratio === null ? null : meets(ratio.median) }
  })
}
