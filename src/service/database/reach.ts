import pg from 'pg'
import { borrowEmbeddedPostgres } from '../embedded-postgres.js'
import type { DatabaseConfig } from '../config/database.js'

/** How programs reach the database of a configuration. The connection strings are secrets. */
export interface ReachedDatabase {
  readonly connectionString: string
  /** Past any pooler. */
  readonly directConnectionString: string
  /** Of a role that may change tables, past any pooler. */
  readonly migrationConnectionString: string
  readonly pooler: 'transaction' | undefined
  /** Ends what was begun to reach it. */
  close (): Promise<void>
}

/** A report may count all rows of a large table. */
const REPORT_MS = 60_000
const CONNECT_MS = 5_000

/** What to do where there is no database yet. */
export const MAKE_DATABASE = 'start the service with `silverback serve`, or run `silverback migrate`, and one is made; or set DATABASE_URL'

export interface ReachOptions {
  /** Whether an embedded one is made where there is none yet. Default `false`: who only looks changes nothing. */
  readonly makes?: boolean
}

/**
 * The database that is configured; else the embedded one, be it that of a service that runs on it, be it started for this.
 *
 * @throws EmbeddedPostgresError (`ERR_DATA_DIR_EMPTY` where there is none yet), and what the file system says of the data folder. A database that is configured is not asked
 */
export async function reachDatabase ({ url, directUrl, migrationUrl, pooler, dataDir }: DatabaseConfig & { readonly dataDir: string }, { makes = false }: ReachOptions = {}): Promise<ReachedDatabase> {
  if (url === undefined) {
    const { connectionString, giveBack } = await borrowEmbeddedPostgres({ dataDir, makes })
    return { connectionString, directConnectionString: connectionString, migrationConnectionString: connectionString, pooler, close: giveBack }
  }
  const connectionString = url.reveal()
  const directConnectionString = directUrl?.reveal() ?? connectionString
  return { connectionString, directConnectionString, migrationConnectionString: migrationUrl?.reveal() ?? directConnectionString, pooler, close: async () => {} }
}

/** One connection for reports, which may take long. The driver's errors stay as they are. */
export async function withClient<T> (connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_MS, query_timeout: REPORT_MS, application_name: 'silverback command line' })
  client.on('error', () => { /* the query under way rejects as well */ })
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => { /* the connection is gone: that is what was wanted */ })
  }
}
