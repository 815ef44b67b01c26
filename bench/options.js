/** What the command line of `npm run bench` asks for. */

import { COMMON_USAGE, namesOf, numberOf, readFlags, wholeNumbersOf } from './lib/arguments.js'

export const CONTENDERS = Object.freeze(['plain', 'silverback', 'silverback-cached', 'fastify-session', 'fastify-session-no-rolling', 'one-query', 'bare-batches', 'bare-cookie', 'two-updates', 'secure-session', 'express-session'])
export const WORKLOADS = Object.freeze(['read', 'write', 'anonymous', 'verify', 'rotate'])

export const USAGE = `npm run bench -- [options]

  --quick                 two minutes: short measurements, to see that all works
  --full                  longer, five rounds, and 128 connections too
  --contenders a,b        of: ${CONTENDERS.join(', ')}
  --workloads a,b         of: ${WORKLOADS.join(', ')}
  --connections 1,32      open at once, one request in flight on each
  --rounds 3              of A B C, A B C, …
  --seconds 2             of one measurement
  --profile               no comparison: a CPU profile of each contender and workload, into bench/results
${COMMON_USAGE}`

const FLAGS = {
  quick: { type: 'boolean' },
  full: { type: 'boolean' },
  profile: { type: 'boolean' },
  contenders: { type: 'string' },
  workloads: { type: 'string' },
  connections: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' }
}

/**
 * Reads the arguments.
 *
 * @throws TypeError for what is unknown or out of range
 */
export function readOptions (args) {
  const { help, docs, from, ...values } = readFlags(args, FLAGS)
  const preset = values.quick
    ? { mode: 'quick', rounds: 3, seconds: 0.3, warmUpSeconds: 0.1, connections: '1,32', visitors: 200 }
    : values.full
      ? { mode: 'full', rounds: 5, seconds: 2, warmUpSeconds: 0.5, connections: '1,32,128', visitors: 1_000 }
      : { mode: 'default', rounds: 3, seconds: 2, warmUpSeconds: 0.5, connections: '1,32', visitors: 1_000 }
  return Object.freeze({
    help,
    docs,
    from,
    profile: values.profile === true,
    mode: preset.mode,
    contenders: namesOf('contenders', values.contenders, CONTENDERS),
    workloads: namesOf('workloads', values.workloads, WORKLOADS),
    connections: wholeNumbersOf('connections', values.connections ?? preset.connections, 1, 1_000),
    rounds: numberOf('rounds', values.rounds ?? preset.rounds, 1, 100),
    seconds: numberOf('seconds', values.seconds ?? preset.seconds, 0.1, 600),
    warmUpSeconds: preset.warmUpSeconds,
    visitors: preset.visitors
  })
}
