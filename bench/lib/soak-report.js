/** What `npm run bench:soak` says, and how it judges. */

import { lineChart } from './lines.js'
import { tellMachine } from './machine.js'
import { slope, summary } from './statistics.js'
import { spread, toNumber, toTable, verdict } from './table.js'

const MIB = 2 ** 20
const RSS_MIB_A_MINUTE = 2
const HEAP_MIB_A_MINUTE = 0.5
/** Of what is there, a minute. */
const GROWTH = 0.02
const TABLES = ['sessions', 'refresh_tokens']

/**
 * What must hold, over the last two thirds of the run: the first is the warm-up.
 *
 * Slopes are of the straight line by least squares, a minute.
 */
export function judge ({ samples, acts, failures }) {
  const steady = samples.filter(({ at }) => at >= samples.at(-1).at / 3)
  const aMinute = (valueOf) => slope(steady.map(({ at }) => at / 60), steady.map(valueOf))
  const mean = (valueOf) => steady.reduce((total, sample) => total + valueOf(sample), 0) / steady.length
  const atMost = (what, limit, measured, digits) => ({ what, limit: `≤ ${limit}`, measured, digits, met: measured <= limit })
  const share = (what, valueOf, ofOf = valueOf) => atMost(`${what}, growth a minute`, GROWTH, aMinute(valueOf) / Math.max(1, mean(ofOf)), 3)
  const ended = acts['sign-out'] ?? 0
  return [
    atMost('RSS of the process, MiB a minute', RSS_MIB_A_MINUTE, aMinute(({ memory }) => memory.rss) / MIB, 2),
    atMost('heap after a collection, MiB a minute', HEAP_MIB_A_MINUTE, aMinute(({ memory }) => memory.heapUsed) / MIB, 2),
    share('expired sessions not yet cleaned up, against the live', ({ rows }) => rows.sessions - rows.live, ({ rows }) => rows.live),
    ...TABLES.map((table) => share(`bytes of ${table} with indexes`, ({ bytes }) => bytes[table])),
    atMost('revocations, beyond those of the sessions signed out', 0, Math.max(0, samples.at(-1).rows.revocations - ended), 0),
    atMost('wrong answers', 0, failures, 0)
  ]
}

function toMarkdown (result) {
  const { machine, run, samples, acts, example } = result
  const figures = (what, valueOf, digits) => [what, spread(summary(samples.map(valueOf).filter((value) => value !== null)), digits)]
  return [
    tellMachine(machine),
    `${run.minutes} minutes, ${run.connections} connections, ${run.visitors} visitors, a sample every ${run.everySeconds} s. Done: ${Object.entries(acts).map(([name, count]) => `${name} ${toNumber(count)}`).join(', ')}.`,
    toTable(['over the last two thirds', 'limit', 'measured', ''], judge(result).map(({ what, limit, measured, digits, met }) => [what, limit, measured.toFixed(digits), verdict(met)])),
    toTable(['of the samples', 'median (least–most)'], [
      figures('req/s', ({ rate }) => rate, 0),
      figures('p99, ms', ({ p99 }) => p99, 1),
      figures('RSS, MiB', ({ memory }) => memory.rss / MIB, 0),
      figures('connections of the pool in use', ({ pool }) => pool.inUse, 0),
      figures('requests waiting for one', ({ pool }) => pool.waiting, 0),
      figures('live sessions', ({ rows }) => rows.live, 0)
    ]),
    ...(example === '' ? [] : [`A wrong answer: ${example}`])
  ].join('\n\n') + '\n'
}

function toChart ({ machine, run, samples }) {
  const line = (name, valueOf) => ({ name, values: samples.map(valueOf) })
  return lineChart({
    title: `${run.minutes} minutes of mixed load, ${machine.cores} cores`,
    description: 'Memory, speed, pool, sessions and tables over time. The first third is the warm-up.',
    at: samples.map(({ at }) => at / 60),
    plots: [
      { title: 'Memory of the process', unit: 'MiB', lines: [line('RSS', ({ memory }) => memory.rss / MIB), line('heap', ({ memory }) => memory.heapUsed / MIB)] },
      { title: 'Speed', unit: 'requests a second', lines: [line('all requests', ({ rate }) => rate)] },
      { title: 'Latency', unit: 'ms', lines: [line('p99', ({ p99 }) => p99), line('p50', ({ p50 }) => p50)] },
      { title: 'Pool', unit: 'connections and requests', lines: [line('in use', ({ pool }) => pool.inUse), line('waiting', ({ pool }) => pool.waiting)] },
      { title: 'Sessions', unit: 'rows', lines: [line('all', ({ rows }) => rows.sessions), line('live', ({ rows }) => rows.live)] },
      { title: 'Tables with indexes', unit: 'KiB', lines: TABLES.map((table) => line(table, ({ bytes }) => bytes[table] / 1024)) },
      { title: 'Revocations in force', unit: 'rows', lines: [line('revocations', ({ rows }) => rows.revocations)] }
    ]
  })
}

export const REPORT = { name: 'soak', page: 'benchmarks.md', alt: 'Memory, speed, pool, sessions and tables over time', toMarkdown, toChart }
