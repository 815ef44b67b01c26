/** The one PostgreSQL server of a run: Silverback's own launcher, PostgreSQL's default settings unless others are given, fsync on. */

import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromRoot, urlOf } from './root.js'

/**
 * Starts it on a folder of its own in the checkout: a temporary folder may be in memory, where fsync costs nothing.
 *
 * `databaseFor` makes an empty database, so that no contender's table stands in another's way; `drop` removes it. `stop` ends the server
 * and removes the folder. `log` resolves to all that the server has written so far.
 *
 * @param settings of postgresql.conf
 */
export async function startDatabase (settings = {}) {
  const { startEmbeddedPostgres } = await import(urlOf('dist/service/embedded-postgres.js'))
  const results = fileURLToPath(urlOf('bench/results/'))
  await mkdir(results, { recursive: true })
  const dataDir = await mkdtemp(join(results, 'postgres-'))
  const remove = () => rm(dataDir, { recursive: true, force: true })
  const server = await startEmbeddedPostgres({ dataDir, database: 'bench', settings }).catch(async (error) => {
    await remove()
    throw error
  })
  return {
    describe: () => describe(server.connectionString),
    log: () => readFile(join(dataDir, 'postgres.log'), 'utf8'),
    async databaseFor (contender) {
      const name = contender.replaceAll('-', '_')
      await query(server.connectionString, `CREATE DATABASE "${name}"`)
      return Object.assign(new URL(server.connectionString), { pathname: `/${name}` }).href
    },
    /** Removes what `databaseFor` has made, where it has. */
    async drop (contender) {
      await query(server.connectionString, `DROP DATABASE IF EXISTS "${contender.replaceAll('-', '_')}" WITH (FORCE)`)
    },
    async stop () {
      await server.stop()
      await remove()
    }
  }
}

/** The settings that decide what a write costs, as the server has them. */
async function describe (connectionString) {
  const rows = await query(connectionString, `SELECT name, current_setting(name) AS value FROM pg_settings
    WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers')`)
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
}

/** Runs one statement, or several without values, over a connection of its own; resolves to the rows. */
export async function query (connectionString, text, values) {
  const client = new (fromRoot('pg').Client)({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query(text, values)
    return rows
  } finally {
    await client.end()
  }
}
