import pg from 'pg'
import type { Test } from 'tap'
import { migrate } from '../../src/stores/postgres/migrate.js'
import { PostgresStore } from '../../src/stores/postgres/store.js'
import { PostgresTokenStore } from '../../src/stores/postgres/token-store.js'
import { MemoryStore } from '../../src/stores/memory/store.js'
import { MemoryTokenStore } from '../../src/stores/memory/token-store.js'
import type { TokenHarness } from '../../src/testing/index.js'
import { clusterUrl, freshDatabase } from './database.js'
import { standingClock } from './memory-harness.js'

const INSTANTS = {
  sessions: ['created_at', 'expires_at', 'absolute_expires_at', 'last_seen_at', 'authenticated_at', 'blocked_at'],
  refresh_tokens: ['created_at', 'updated_at', 'delivered_at', 'confirmed_at', 'revoked_at'],
  revocations: ['at', 'until']
}

/** Moves every instant back. No trigger runs: nobody ends a session earlier than it would have ended. */
export async function moveBack (pool: pg.Pool, seconds: number): Promise<void> {
  const updates = Object.entries(INSTANTS).map(([table, columns]) =>
    `UPDATE ${table} SET ${columns.map((column) => `${column} = ${column} - ${Number(seconds)} * interval '1 second'`).join(', ')}`)
  await pool.query(`BEGIN; SET LOCAL session_replication_role = replica; ${updates.join('; ')};
    UPDATE sessions SET expiry_bucket = floor(extract(epoch FROM expires_at) / 3600); COMMIT`)
}

const openTokens = (connectionString: string): PostgresTokenStore => new PostgresTokenStore({ connectionString, max: 4 })

/**
 * A database of its own with the tables in it; each call of the result empties it and opens a store of sessions and two
 * of tokens on it. One harness at a time.
 */
export async function postgresTokenHarnesses (t: Test, open = openTokens): Promise<() => Promise<TokenHarness>> {
  const { connectionString, pool } = await freshDatabase(t, { prepare: (connectionString) => migrate({ connectionString }) })
  const name = new URL(connectionString).pathname.slice(1)
  return async () => {
    await pool.query('DELETE FROM sessions')
    await pool.query('DELETE FROM revocations')
    const store = new PostgresStore({ connectionString, max: 4 })
    const tokens = open(connectionString)
    const secondTokens = open(connectionString)
    let broken = false
    return {
      store,
      tokens,
      secondTokens,
      async advance (seconds) { await moveBack(pool, seconds) },
      async breakStorage () {
        broken = true
        await onCluster(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
        await onCluster(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
      },
      async close () {
        await Promise.all([store.close(), tokens.close(), secondTokens.close()])
        if (broken) await onCluster(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      }
    }
  }
}

/** On a clock that stands still. */
export function memoryTokenHarness (): TokenHarness {
  const clock = standingClock()
  const store = new MemoryStore({ clock: () => clock.now() })
  const tokens = new MemoryTokenStore({ store })
  return {
    store,
    tokens,
    secondTokens: new MemoryTokenStore({ store }),
    async advance (seconds) { clock.advance(seconds) },
    async close () { await Promise.all([tokens.close(), store.close()]) },
    clockStandsStill: true
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
