/**
 * A database of its own for a test, on a real PostgreSQL.
 *
 * `npm test` starts one server for all files and names it in `TEST_DATABASE_URL`. A file run by itself starts one
 * in a temporary folder, and stops it when the file is done.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import tap, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../../src/service/embedded-postgres.js'

/** As `test/run.js` sets it, but for statistics of statements, which not every install can load. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '300' }

export interface FreshDatabase {
  /** Names the database as the cluster's superuser. */
  readonly connectionString: string
  /** Closed after the test. */
  readonly pool: pg.Pool
  /** Another pool on the database, closed after the test unless the test has done so. */
  openPool (config?: pg.PoolConfig): pg.Pool
}

export interface FreshDatabaseOptions {
  /** Run on the empty database before the test gets it, for example to migrate it. */
  readonly prepare?: (connectionString: string) => Promise<unknown>
}

/** Makes an empty database, and drops it after the test whoever is still connected. */
export async function freshDatabase (t: Test, { prepare }: FreshDatabaseOptions = {}): Promise<FreshDatabase> {
  const cluster = await clusterUrl()
  const name = `test_${randomBytes(8).toString('hex')}`
  await run(cluster, `CREATE DATABASE ${name}`)
  const pools = new Set<pg.Pool>()
  t.teardown(async () => {
    await Promise.all([...pools].map(async (pool) => { if (!pool.ending) await pool.end() }))
    await run(cluster, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  })

  const connectionString = Object.assign(new URL(cluster), { pathname: `/${name}` }).href
  await prepare?.(connectionString)
  const openPool = (config: pg.PoolConfig = {}): pg.Pool => {
    const pool = new pg.Pool({ ...config, connectionString })
    pool.on('error', () => {}) // an idle connection cut by the test itself must not end the process
    pools.add(pool)
    return pool
  }
  return { connectionString, pool: openPool(), openPool }
}

/** The superuser's connection string of the cluster for this file. */
export function clusterUrl (): Promise<string> {
  const shared = process.env['TEST_DATABASE_URL'] ?? ''
  return shared === '' ? (ownCluster ??= startCluster()) : Promise.resolve(shared)
}

let ownCluster: Promise<string> | undefined

async function startCluster (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'silverback-test-'))
  const server = await startEmbeddedPostgres({ dataDir: folder, listen: 'loopback', settings: SETTINGS })
  tap.teardown(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  return server.connectionString
}

async function run (connectionString: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {}) // fails the query in flight; there is nothing else to tell
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
