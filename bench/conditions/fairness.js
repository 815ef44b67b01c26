/** 640 requests in flight over 32 sessions, 20 each, against 640 over 640 sessions: does a busy session hold up its own? */

import { ContenderProcess } from '../lib/contender-process.js'
import { runLoad } from '../lib/load.js'
import { OWN_KEYS } from '../lib/silverback.js'
import { summary } from '../lib/statistics.js'
import { once, requestOf } from '../lib/visitors.js'

const IN_FLIGHT = 640
const SHARED = IN_FLIGHT / OWN_KEYS
const TIMES = 3

export const title = 'Fairness'

export async function measure ({ database, options: { rounds, seconds, warmUpSeconds } }) {
  const contender = await ContenderProcess.open('silverback', await database.databaseFor('fairness'))
  try {
    const few = await seed(contender, SHARED)
    const many = await seed(contender, IN_FLIGHT)
    const figures = { inFlight: IN_FLIGHT, sessions: SHARED, few: [], many: [], lost: 0, failures: 0 }
    for (let round = 1; round <= rounds; round++) {
      for (const [name, crowd] of [['few', few], ['many', many]]) {
        const load = { port: contender.port, connections: IN_FLIGHT, visitors: crowd.visitors, workload: WRITE_OWN }
        await runLoad({ ...load, seconds: warmUpSeconds })
        const { rate, p50, p99, failures } = await runLoad({ ...load, seconds })
        figures[name].push({ rate, p50, p99 })
        figures.failures += failures
        figures.lost += await lostIn(contender, crowd)
      }
    }
    return { ...figures, ratio: summary(figures.few.map(({ p99 }, round) => p99 / figures.many[round].p99)) }
  } finally {
    await contender.stop()
  }
}

export function judge ({ ratio, lost, failures }) {
  return [
    { what: `p99, ${IN_FLIGHT} in flight over ${SHARED} sessions, against ${IN_FLIGHT} sessions`, limit: `≤ ${TIMES}`, measured: ratio, met: ratio.median <= TIMES },
    { what: 'updates lost, or answered otherwise than with 200', limit: '0', measured: lost + failures, digits: 0, met: lost + failures === 0 }
  ]
}

export function tell ({ few, many }) {
  const of = (rounds) => `p50 ${summary(rounds.map(({ p50 }) => p50)).median.toFixed(0)} ms, p99 ${summary(rounds.map(({ p99 }) => p99)).median.toFixed(0)} ms, ${summary(rounds.map(({ rate }) => rate)).median.toFixed(0)} req/s`
  return `Each request writes a key of its own. Over ${SHARED} sessions: ${of(few)}. Over ${IN_FLIGHT}: ${of(many)}. Every key of every session was read back.`
}

/** As many visitors as requests in flight. Those of one session share its cookie; each has a key of its own. */
async function seed (contender, count) {
  const sessions = Array.from({ length: count }, (_, index) => ({ index, cookie: '', keys: [] }))
  await once(contender, sessions, { request: ({ index }) => requestOf('POST', `/seed-own/${index}`, ''), expected: () => '{}' })
  const visitors = Array.from({ length: IN_FLIGHT }, (_, n) => {
    const session = sessions[n % count]
    const visitor = { cookie: session.cookie, slot: session.keys.length, n: 0, next: 0 }
    session.keys.push(visitor)
    return visitor
  })
  return { sessions, visitors }
}

const WRITE_OWN = {
  request: (visitor) => requestOf('POST', `/own/${visitor.slot}/${++visitor.next}`, visitor.cookie),
  expected: ({ next }) => `{"n":${next}}`,
  answered (visitor) { visitor.n = visitor.next }
}

const READ_OWN = {
  request: ({ keys }) => requestOf('GET', '/own', keys[0].cookie),
  expected: ({ keys }) => JSON.stringify(Array.from({ length: OWN_KEYS }, (_, slot) => keys[slot]?.n ?? 0))
}

/** How many sessions do not hold, in each key, what was acknowledged last. */
async function lostIn (contender, { sessions }) {
  const { failures } = await runLoad({ port: contender.port, connections: 16, visitors: sessions, workload: READ_OWN, rounds: 1 })
  return failures
}
