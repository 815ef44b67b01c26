/** A million expired sessions are removed while others are used: do their requests wait? */

import { ContenderProcess } from '../lib/contender-process.js'
import { fill, settle } from '../lib/fill.js'
import { runLoad } from '../lib/load.js'
import { send } from '../lib/requests.js'
import { checkStored, seedVisitors, WORKLOADS_BY_NAME } from '../lib/visitors.js'
import { toNumber } from '../lib/table.js'

const CONNECTIONS = 32
/** Of so many requests one writes. */
const WRITES = 4
const TIMES = 2
/** As `deadlock_timeout` is set: what the server writes to its log waited longer. */
export const LOCK_WAIT_MS = 100

export const title = 'Cleanup under load'

export async function measure ({ database, options: { expired, visitors, baseSeconds, warmUpSeconds } }) {
  const connectionString = await database.databaseFor('cleanup')
  const contender = await ContenderProcess.open('silverback', connectionString)
  try {
    contender.visitors = await seedVisitors(contender, visitors)
    await fill(connectionString, { count: expired, expired: true })
    await settle(connectionString)
    const load = { port: contender.port, connections: CONNECTIONS, visitors: contender.visitors, workload: MIXED }
    await runLoad({ ...load, seconds: warmUpSeconds })
    const before = await runLoad({ ...load, seconds: baseSeconds })
    const logged = (await database.log()).length
    const { removed, seconds, during } = await cleanUnder(contender, load)
    const waits = waitsIn((await database.log()).slice(logged))
    const after = await runLoad({ ...load, seconds: baseSeconds })
    await checkStored(contender, contender.visitors)
    return { expired, removed, seconds, before, during, after, waits, ratio: during.p99 / before.p99 }
  } finally {
    await contender.stop()
  }
}

export function judge ({ expired, removed, before, during, after, waits, ratio }) {
  const failures = before.failures + during.failures + after.failures
  return [
    { what: `p99 while ${toNumber(expired)} expired sessions are removed, against before`, limit: `≤ ${TIMES}`, measured: ratio, met: ratio <= TIMES },
    { what: `waits for a lock over ${LOCK_WAIT_MS} ms`, limit: '0', measured: waits.length, digits: 0, met: waits.length === 0 },
    { what: 'sessions left behind, and wrong answers', limit: '0', measured: expired - removed + failures, digits: 0, met: removed === expired && failures === 0 }
  ]
}

export function tell ({ removed, seconds, before, during, after }) {
  const of = ({ rate, p99 }) => `${rate.toFixed(0)} req/s, p99 ${p99.toFixed(1)} ms`
  return `${CONNECTIONS} connections, one request of ${WRITES} writes. Before: ${of(before)}. While ${toNumber(removed)} rows were removed in ${seconds.toFixed(0)} s ` +
    `(${toNumber(removed / seconds)} a second): ${of(during)}. After: ${of(after)}.`
}

const MIXED = {
  request (visitor) {
    visitor.turn = ((visitor.turn ?? visitor.index) + 1) % WRITES
    visitor.act = visitor.turn === 0 ? WORKLOADS_BY_NAME.write : WORKLOADS_BY_NAME.read
    return visitor.act.request(visitor)
  },
  expected: (visitor) => visitor.act.expected(visitor),
  answered (visitor) { visitor.act.answered?.(visitor) }
}

/** The load goes on for as long as the cleanup. */
async function cleanUnder (contender, load) {
  const cleaned = new AbortController()
  const startedAt = performance.now()
  const during = runLoad({ ...load, signal: cleaned.signal })
  try {
    const { body } = await send(contender, 'POST', '/cleanup')
    const seconds = (performance.now() - startedAt) / 1_000
    return { removed: body.removed, seconds, during: await stopped() }
  } finally {
    await stopped()
  }

  function stopped () {
    cleaned.abort()
    return during
  }
}

/** Milliseconds of each wait that the server has noted. */
function waitsIn (log) {
  return [...log.matchAll(/still waiting for .* after ([\d.]+) ms/g)].map(([, ms]) => Number(ms))
}
