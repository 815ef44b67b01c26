/** After a load of writes and rotations: how many updates left the indexes alone? */

import { ContenderProcess } from '../lib/contender-process.js'
import { query } from '../lib/database.js'
import { runLoad } from '../lib/load.js'
import { seedVisitors, WORKLOADS_BY_NAME } from '../lib/visitors.js'

const CONNECTIONS = 32
const SHARE = 0.95
const TABLES = ['sessions', 'refresh_tokens']

export const title = 'HOT updates'

export async function measure ({ database, options: { visitors, baseSeconds } }) {
  const connectionString = await database.databaseFor('hot')
  const contender = await ContenderProcess.open('silverback', connectionString)
  try {
    const crowd = await seedVisitors(contender, visitors)
    for (const name of ['write', 'rotate']) {
      await runLoad({ port: contender.port, connections: CONNECTIONS, visitors: crowd, workload: WORKLOADS_BY_NAME[name], seconds: baseSeconds })
    }
  } finally {
    await contender.stop() // a server process hands in its last counts when it ends
  }
  const rows = await query(connectionString, 'SELECT relname, n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = ANY ($1)', [TABLES])
  return { tables: TABLES.map((table) => rows.find(({ relname }) => relname === table)).map(({ relname, updates, hot }) => ({ table: relname, updates, hot, share: hot / updates })) }
}

export function judge ({ tables }) {
  return tables.map(({ table, share }) => ({ what: `share of HOT updates, ${table}`, limit: `≥ ${SHARE}`, measured: share, met: share >= SHARE }))
}

export function tell ({ tables }) {
  return `Writes, then rotations, ${CONNECTIONS} connections: ${tables.map(({ table, updates, hot }) => `of ${updates} updates of ${table} ${hot} were HOT`).join(', ')}.`
}
