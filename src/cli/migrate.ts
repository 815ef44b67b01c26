import { Client } from 'pg'
import { ConfigError } from '../service/config/error.js'
import { readDatabaseConfig } from '../service/config/database.js'
import { migrateDown, migrateUp, readStatus } from '../service/database/migrations.js'
import { EmbeddedPostgresError, startEmbeddedPostgres } from '../service/embedded-postgres.js'

const USAGE = `usage: npm run migrate [-- up|down|status]

  up      runs what is pending (the default)
  down    takes back the last migration, with its data
  status  says what is pending, newer or missing; changes nothing

The database is that of DATABASE_MIGRATION_URL, else of DATABASE_DIRECT_URL, else of DATABASE_URL, else the embedded one of DATA_DIR.
Exit codes: 0 done; 1 failed; 2 no such command; 3 (status) the database and this version do not fit.`

/** SQLSTATE: insufficient_privilege. */
const DENIED = '42501'

type Command = (connectionString: string) => Promise<number>

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['up', async (connectionString) => report('ran', await migrateUp(connectionString), 'nothing is pending')],
  ['down', async (connectionString) => report('taken back', await migrateDown(connectionString), 'there is nothing to take back')],
  ['status', status]
])

process.exitCode = await main(process.argv.slice(2))

async function main (args: readonly string[]): Promise<number> {
  const command = COMMANDS.get(args[0] ?? 'up')
  if (command === undefined || args.length > 1) {
    console.error(USAGE)
    return 2
  }
  try {
    return await onDatabase(command)
  } catch (error) {
    console.error(`migrate: ${explain(error)}`)
    return 1
  }
}

/** Runs a command on the database of the environment; an embedded one is started for it and stopped again. */
async function onDatabase (command: Command): Promise<number> {
  const { migrationUrl, directUrl, url, dataDir } = readDatabaseConfig(process.env)
  const given = migrationUrl ?? directUrl ?? url
  if (given !== undefined) return await command(given.reveal())
  const postgres = await startEmbeddedPostgres({ dataDir })
  try {
    return await command(postgres.connectionString)
  } finally {
    await postgres.stop()
  }
}

async function status (connectionString: string): Promise<number> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000, query_timeout: 10_000, application_name: 'silverback migrate' })
  client.on('error', () => { /* the query under way rejects as well */ })
  await client.connect()
  try {
    const found = await readStatus(client)
    const lines = Object.entries(found).flatMap(([kind, names]: [string, readonly string[]]) => names.map((name) => `${kind}: ${name}`))
    console.log(lines.length === 0 ? 'up to date' : lines.join('\n'))
    return lines.length === 0 ? 0 : 3
  } finally {
    await client.end()
  }
}

function report (done: string, names: readonly string[], nothing: string): number {
  console.log(names.length === 0 ? nothing : names.map((name) => `${done}: ${name}`).join('\n'))
  return 0
}

/** What failed, in a line or a list. The driver's messages hold hosts and roles, and no password. */
function explain (error: unknown): string {
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError) return error.message
  if (error instanceof AggregateError) return error.errors.map(explain).join('; ') // an address of each family was tried
  if (!(error instanceof Error)) return String(error)
  const [line = ''] = error.message.split('\n') // the runner appends the whole statement
  const code = 'code' in error ? String(error.code) : ''
  const isDenied = code === DENIED || /permission denied/.test(line)
  return `${line}${code === '' ? '' : ` (${code})`}${isDenied ? ' (see docs/grants.sql)' : ''}`
}
