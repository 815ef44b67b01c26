import pg from 'pg'
import type { Test } from 'tap'
import type { Store } from '../../src/session/store.js'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import type { StoreHarness } from '../../src/testing/index.js'
import { clusterUrl, freshDatabase } from './database.js'

const EVERY_INSTANT = ['created_at', 'expires_at', 'absolute_expires_at', 'last_seen_at', 'authenticated_at', 'blocked_at']
const MOVE_BACK = `UPDATE sessions SET ${EVERY_INSTANT.map((column) => `${column} = ${column} - $1::float8 * interval '1 second'`).join(', ')}`

/** Connections enough for races, and few to open for each law. */
const openStore = (connectionString: string): Store => new PostgresStore({ connectionString, max: 4 })

/**
 * A database of its own with the tables in it; each call of the result empties it and opens two stores on it, each with
 * a pool of its own. One harness at a time.
 */
export async function postgresHarnesses (t: Test, open = openStore): Promise<() => Promise<StoreHarness>> {
  const { connectionString, pool } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const name = new URL(connectionString).pathname.slice(1)
  return async () => {
    await pool.query('DELETE FROM sessions')
    const store = open(connectionString)
    const second = open(connectionString)
    let broken = false
    return {
      store,
      second,
      async advance (seconds) { await pool.query(MOVE_BACK, [seconds]) },
      async breakStorage () {
        broken = true
        await onCluster(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
        await onCluster(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      },
      async close () {
        await Promise.all([store.close(), second.close()])
        if (broken) await onCluster(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      }
    }
  }
}

async function onCluster (statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: await clusterUrl() })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
