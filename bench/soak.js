/**
 * `npm run bench:soak`: people come, read, write, refresh and go, for minutes. Does anything grow?
 *
 * @module
 */
import { setTimeout as pause } from 'node:timers/promises'
import { COMMON_USAGE, numberOf, readFlags } from './lib/arguments.js'
import { interrupted, runCommand, say } from './lib/command.js'
import { ContenderProcess } from './lib/contender-process.js'
import { query, startDatabase } from './lib/database.js'
import { runLoad } from './lib/load.js'
import { describeMachine, loadAverage } from './lib/machine.js'
import { send } from './lib/requests.js'
import { judge, REPORT } from './lib/soak-report.js'
import { comingAndGoing, visitorsOf } from './lib/soak-visitors.js'
import { percentile } from './lib/statistics.js'

const USAGE = `npm run bench:soak -- [options]

  --quick                 half a minute: to see that all works
  --minutes 10
${COMMON_USAGE}`

const PRESETS = {
  quick: { mode: 'quick', minutes: 0.5, everySeconds: 1, connections: 16, visitors: 100 },
  default: { mode: 'default', minutes: 10, everySeconds: 5, connections: 32, visitors: 400 }
}

const COUNTS = `
  SELECT (SELECT count(*) FROM sessions)::int AS sessions, (SELECT count(*) FROM sessions WHERE expires_at > now())::int AS live,
    (SELECT count(*) FROM refresh_tokens)::int AS refresh_tokens, (SELECT count(*) FROM revocations)::int AS revocations,
    pg_total_relation_size('sessions')::float8 AS sessions_bytes, pg_total_relation_size('refresh_tokens')::float8 AS refresh_tokens_bytes`

await runCommand({ usage: USAGE, readOptions, measure, report: REPORT, failed })

/** Half a minute is no more than a warm-up: only its answers count. */
function failed (result) {
  return result.run.mode === 'quick' ? result.failures > 0 : judge(result).some(({ met }) => !met)
}

function readOptions (args) {
  const { quick, minutes, ...common } = readFlags(args, { quick: { type: 'boolean' }, minutes: { type: 'string' } })
  const preset = PRESETS[quick ? 'quick' : 'default']
  return { ...preset, ...common, minutes: numberOf('minutes', minutes ?? preset.minutes, 0.1, 10_080) }
}

async function measure ({ mode, minutes, everySeconds, connections, visitors }) {
  const before = loadAverage()
  const database = await startDatabase()
  let contender
  try {
    const connectionString = await database.databaseFor('soak')
    contender = await ContenderProcess.open('silverback-soak', connectionString)
    const found = await soak(contender, connectionString, { minutes, everySeconds, connections, visitors })
    const machine = { ...describeMachine(), postgres: await database.describe(), loadAverage: [before, loadAverage()] }
    return { machine, run: { mode, minutes, everySeconds, connections, visitors }, ...found }
  } finally {
    await contender?.stop()
    await database.stop()
  }
}

/** The load goes on while samples are taken. */
async function soak (contender, connectionString, { minutes, everySeconds, connections, visitors }) {
  const acts = {}
  const samples = []
  const over = new AbortController()
  let latencies = []
  const load = runLoad({
    port: contender.port,
    connections,
    visitors: visitorsOf(visitors),
    workload: comingAndGoing((act) => { acts[act] = (acts[act] ?? 0) + 1 }),
    signal: over.signal,
    record: (ms) => { latencies.push(ms) }
  })
  try {
    const startedAt = performance.now()
    const elapsed = () => (performance.now() - startedAt) / 1_000
    for (let next = everySeconds, last = 0; next <= minutes * 60 + 1e-9; next += everySeconds) {
      interrupted.throwIfAborted()
      await pause(Math.max(0, next - elapsed()) * 1_000)
      const sorted = Float64Array.from(latencies).sort()
      latencies = []
      const at = elapsed()
      const latency = (q) => sorted.length === 0 ? null : percentile(sorted, q)
      samples.push({ at, rate: sorted.length / (at - last), p50: latency(0.5), p99: latency(0.99), ...await sample(contender, connectionString) })
      last = at
      say(`${at.toFixed(0)} s: ${samples.at(-1).rate.toFixed(0)} req/s, RSS ${(samples.at(-1).memory.rss / 2 ** 20).toFixed(0)} MiB`)
    }
  } finally {
    over.abort()
    await load
  }
  const { failures, example } = await load
  return { samples, acts, failures, example }
}

async function sample (contender, connectionString) {
  const [memory, { body: pool }, [counts]] = await Promise.all([contender.ask('memory'), send(contender, 'GET', '/pool'), query(connectionString, COUNTS)])
  const { sessions, live, refresh_tokens: lineages, revocations, sessions_bytes: sessionBytes, refresh_tokens_bytes: lineageBytes } = counts
  return { memory, pool, rows: { sessions, live, refresh_tokens: lineages, revocations }, bytes: { sessions: sessionBytes, refresh_tokens: lineageBytes } }
}
