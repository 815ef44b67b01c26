import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type MigrationBuilder, runner } from 'node-pg-migrate'
import pg from 'pg'
import { oneOf, rejectUnknown, wholeNumber } from '../../core/options.js'
import { lockId, migrationStatus, type MigrationSet, SESSION_MIGRATIONS } from './migration-status.js'
import { quoted, type TableOptions, type Tables, tables } from './names.js'

const KNOWN = ['connectionString', 'schema', 'tableName', 'direction', 'count', 'log']
const CONNECT_MS = 5_000
/** How long to wait for another who is migrating. */
const LOCK_WAIT_MS = 60_000
const LOCK_PAUSE_MS = 100

export interface MigrateOptions extends TableOptions {
  /** A direct connection, not one through a pooler in transaction mode. */
  readonly connectionString: string | undefined
  /** Default `up`. */
  readonly direction?: 'up' | 'down'
  /** Migrations to run at most. Whole, 1 or more. Default: all up, one down. */
  readonly count?: number
  /** Told what is being done, a line at a time. Default: nobody. */
  readonly log?: (line: string) => void
}

/**
 * Creates or changes the tables, all of it or nothing; resolves to the names of the migrations that ran.
 *
 * Many may start at once: one works, the others wait for it. With nothing pending no right to create anything is
 * needed. A schema that does not exist is created.
 * @throws TypeError naming the option that is wrong
 * @throws the driver's error; the tables are then as they were
 */
export async function migrate (options: MigrateOptions): Promise<string[]> {
  rejectUnknown('migrate', options, KNOWN)
  return await runMigrations(options, SESSION_MIGRATIONS)
}

/** `migrate` for any set of migrations: the service has one of its own. */
export async function runMigrations (options: MigrateOptions, set: MigrationSet): Promise<string[]> {
  const { connectionString, count, log = () => {} } = options
  const direction = oneOf('direction', options.direction ?? 'up', ['up', 'down'])
  if (typeof connectionString !== 'string' || connectionString === '') throw new TypeError('"connectionString" option is required')
  if (count !== undefined) wholeNumber('count', count, { min: 1, max: 10_000 })
  const names = tables(options)
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_MS, application_name: 'silverback migrate' })
  // The statement that is under way rejects as well.
  client.on('error', () => {})
  try {
    await client.connect()
    return await underLock(client, lockId(names, set), async () => {
      if (direction === 'up' && (await migrationStatus(client, names, set)).pending.length === 0) return []
      await createSchema(client, names.schema)
      const ran = await runner({
        dbClient: client,
        noLock: true, // held already; the runner's own waits for nobody, or for ever
        direction,
        ...(count !== undefined && { count }),
        dir: fileURLToPath(set.folder),
        schema: names.schema,
        migrationsTable: names.renamed(set.bookkeeping),
        singleTransaction: true,
        migrationLoaderStrategies: [{ extensions: ['.sql'], loader: (paths) => Promise.all(paths.map((path) => load(path, names))) }],
        log
      })
      return ran.map(({ name }) => name)
    })
  } finally {
    await client.end().catch(() => { /* the connection is gone: that is what was wanted */ })
  }
}

async function underLock<T> (client: pg.Client, id: string, work: () => Promise<T>): Promise<T> {
  const endsAt = performance.now() + LOCK_WAIT_MS
  for (;;) {
    const { rows } = await client.query('SELECT 1 FROM pg_try_advisory_lock($1) AS locked WHERE locked', [id])
    if (rows.length > 0) break
    if (performance.now() > endsAt) throw new Error(`another process has been migrating for ${LOCK_WAIT_MS / 1000} seconds`)
    await pause(LOCK_PAUSE_MS * (0.5 + Math.random()))
  }
  // The lock ends with the connection at the latest.
  return await work()
}

/** CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to create. */
async function createSchema (client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])
  if (rows.length === 0) await client.query(`CREATE SCHEMA ${quoted(schema)}`)
}

/** A file of plain SQL. Quoted names that begin with that of a table of ours follow the tables' names. */
async function load (path: string, names: Tables): Promise<{ id: string, filePaths: string[], actions: { up: Action, down: Action } }> {
  const sql = (await readFile(path, 'utf8')).replace(/"((?:sessions|refresh_tokens|revocations|cache_leases)(?:_[a-z_]+)?)"/g, (_match, name: string) => quoted(names.renamed(name)))
  const [, up, down] = /^-- Up Migration$(.*)^-- Down Migration$(.*)/ms.exec(sql) ?? []
  if (up === undefined || down === undefined) throw new Error(`${basename(path)} has no "-- Up Migration" and "-- Down Migration"`)
  return { id: path, filePaths: [path], actions: { up: (builder) => { builder.sql(up) }, down: (builder) => { builder.sql(down) } } }
}

type Action = (builder: MigrationBuilder) => void
