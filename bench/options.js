/** What the command line asks for. */

import { parseArgs } from 'node:util'

export const CONTENDERS = Object.freeze(['plain', 'silverback', 'fastify-session', 'fastify-session-no-rolling', 'one-query', 'two-updates', 'secure-session', 'express-session'])
export const WORKLOADS = Object.freeze(['read', 'write', 'anonymous', 'verify', 'rotate'])

export const USAGE = `npm run bench -- [options]

  --quick                 about a minute: short measurements, to see that all works
  --full                  longer, five rounds, and 128 connections too
  --contenders a,b        of: ${CONTENDERS.join(', ')}
  --workloads a,b         of: ${WORKLOADS.join(', ')}
  --connections 1,32      open at once, one request in flight on each
  --rounds 3              of A B C, A B C, …
  --seconds 2             of one measurement
  --profile               no comparison: a CPU profile of each contender and workload, into bench/results
  --help`

const FLAGS = {
  quick: { type: 'boolean' },
  full: { type: 'boolean' },
  profile: { type: 'boolean' },
  help: { type: 'boolean' },
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
  const { values } = parseArgs({ args, options: FLAGS })
  const preset = values.quick
    ? { mode: 'quick', rounds: 3, seconds: 0.4, warmUpSeconds: 0.1, connections: '1,32', visitors: 200 }
    : values.full
      ? { mode: 'full', rounds: 5, seconds: 2, warmUpSeconds: 0.5, connections: '1,32,128', visitors: 1_000 }
      : { mode: 'default', rounds: 3, seconds: 2, warmUpSeconds: 0.5, connections: '1,32', visitors: 1_000 }
  return Object.freeze({
    help: values.help === true,
    profile: values.profile === true,
    mode: preset.mode,
    contenders: namesOf('contenders', values.contenders, CONTENDERS),
    workloads: namesOf('workloads', values.workloads, WORKLOADS),
    connections: (values.connections ?? preset.connections).split(',').map((text) => numberOf('connections', text, 1, 1_000)),
    rounds: numberOf('rounds', values.rounds ?? preset.rounds, 1, 100),
    seconds: numberOf('seconds', values.seconds ?? preset.seconds, 0.1, 600),
    warmUpSeconds: preset.warmUpSeconds,
    visitors: preset.visitors
  })
}

function namesOf (option, given, known) {
  if (given === undefined) return known
  const names = given.split(',')
  const foreign = names.find((name) => !known.includes(name))
  if (foreign !== undefined) throw new TypeError(`--${option}: there is no "${foreign}"; known are ${known.join(', ')}`)
  return names
}

function numberOf (option, given, min, max) {
  const number = Number(given)
  if (!(number >= min && number <= max)) throw new TypeError(`--${option} must be a number from ${min} to ${max}; got ${given}`)
  return number
}
