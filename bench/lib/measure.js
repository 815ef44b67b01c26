/** The measurements of a run. */

import { setTimeout as pause } from 'node:timers/promises'
import { runLoad } from './load.js'
import { checkStored, WORKLOADS_BY_NAME } from './visitors.js'

/** Requests of each connection that are counted. */
const COUNTED = 40

/** All combinations that are measured, in the order of the tables. */
export function cellsOf ({ workloads, connections }) {
  return workloads.flatMap((workload) => connections.map((count) => ({ workload, connections: count })))
}

/**
 * Measures a contender once, after a warm-up.
 *
 * What it wrote is read back. `cpuMicros`: of the contender's process, a request; `loadMicros`: of this one.
 * @returns the figures; with `failures` above 0 they do not count
 */
export async function measure (contender, cell, { seconds, warmUpSeconds }) {
  const load = loadOf(contender, cell)
  await runLoad({ ...load, seconds: warmUpSeconds })
  const [cpuBefore, loadBefore] = [await contender.ask('cpu'), process.cpuUsage()]
  const figures = await runLoad({ ...load, seconds })
  const own = process.cpuUsage(loadBefore)
  const cpu = await contender.ask('cpu') - cpuBefore
  if (cell.workload === 'write' && contender.hasSessions) await checkStored(contender, contender.visitors)
  return { ...figures, cpuMicros: cpu / figures.requests, loadMicros: (own.user + own.system) / figures.requests }
}

/** Runs a workload for twice the time of the warm-up before a measurement: what is new is interpreted before it is compiled. */
export async function warmUp (contender, cell, { warmUpSeconds }) {
  await runLoad({ ...loadOf(contender, cell), seconds: 2 * warmUpSeconds })
}

/** What requests have begun in the background, such as noting that a token has arrived, is over by then. */
const SETTLED_MS = 200

/** SQL statements a request, over requests that are not measured, each visitor's first left out. */
export async function countStatements (contender, cell) {
  const load = loadOf(contender, cell)
  const visitors = load.visitors.slice(0, COUNTED / 2 * cell.connections)
  await runLoad({ ...load, visitors, rounds: 1 })
  await pause(SETTLED_MS)
  await contender.ask('startCounting')
  const { requests } = await runLoad({ ...load, visitors, rounds: 2 })
  return await contender.ask('stopCounting') / requests
}

/** Profiles the contender's process under load; resolves to a profile as `--cpu-prof` writes it. */
export async function profile (contender, cell, { seconds, warmUpSeconds }) {
  const load = loadOf(contender, cell)
  await runLoad({ ...load, seconds: 2 * warmUpSeconds })
  await contender.ask('startProfile')
  const { requests } = await runLoad({ ...load, seconds })
  return { requests, profile: await contender.ask('stopProfile') }
}

function loadOf ({ port, visitors }, { workload, connections }) {
  return { port, visitors, connections, workload: WORKLOADS_BY_NAME[workload] }
}
