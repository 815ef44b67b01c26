/** A session ends on one node: when does another refuse its access token? */

import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { ContenderProcess } from '../lib/contender-process.js'
import { send } from '../lib/requests.js'
import { percentile } from '../lib/statistics.js'

const LIMIT_MS = 50
/** Between two looks at the other node, so that the machine is idle but for them. */
const LOOK_EVERY_MS = 1
/** The first ones open connections and compile. */
const UNCOUNTED = 10
const GIVE_UP_MS = 10_000

export const title = 'Revocation on another node'

export async function measure ({ database, options: { revocations } }) {
  const [connectionString, secret] = [await database.databaseFor('revocation'), randomBytes(32).toString('base64')]
  const nodes = []
  try {
    for (let n = 0; n < 2; n++) nodes.push(await ContenderProcess.open('silverback', connectionString, { secret }))
    const delays = []
    for (let index = 0; index < UNCOUNTED + revocations; index++) delays.push(await revokeOnce(nodes, index))
    const sorted = Float64Array.from(delays.slice(UNCOUNTED)).sort()
    return { revocations, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), most: sorted.at(-1) }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}

export function judge ({ p99 }) {
  return [{ what: 'p99 until another node refuses, ms', limit: `≤ ${LIMIT_MS}`, measured: p99, met: p99 <= LIMIT_MS }]
}

export function tell ({ revocations, p50, p99, most }) {
  return `${revocations} sessions ended on one node and looked at on another, from the request that ends one until a refusal has arrived: ` +
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, at most ${most.toFixed(1)} ms.`
}

/** Milliseconds from sending the revocation to one node until the other has refused. */
async function revokeOnce ([here, there], index) {
  const { cookie } = await send(here, 'POST', `/seed-tokens/${index}`)
  const headers = { authorization: `Bearer ${cookie.slice('access='.length)}` }
  const { status } = await send(there, 'GET', '/verify', headers)
  if (status !== 200) throw new Error(`the other node answered ${status} to a new access token`)
  const startedAt = performance.now()
  const revoking = send(here, 'POST', `/revoke/${index}`)
  while ((await send(there, 'GET', '/verify', headers)).status === 200) {
    if (performance.now() - startedAt > GIVE_UP_MS) throw new Error(`the other node still accepts the token after ${GIVE_UP_MS} ms`)
    await pause(LOOK_EVERY_MS)
  }
  const delay = performance.now() - startedAt
  const { body } = await revoking
  if (body.revoked !== true) throw new Error('the session to revoke was not there')
  return delay
}
