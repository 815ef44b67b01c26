import { Argument } from 'commander'
import type { Command } from 'commander'
import { migrateDown, migrateUp, readStatus, statusOfNone } from '../../service/database/migrations.js'
import { withClient } from '../../service/database/reach.js'
import type { MigrationStatus } from '../../stores/postgres/migration-status.js'
import { withReached } from '../database.js'
import { explain, isNoDatabase } from '../explain.js'
import { explainCommand } from '../help.js'
import { EXIT, print, printJson } from '../terminal.js'
import type { Terminal } from '../terminal.js'

type Act = (connectionString: string, terminal: Terminal, options: { readonly json?: boolean }) => Promise<void>

const ACTS: ReadonlyMap<string, Act> = new Map<string, Act>([
  ['up', async (connectionString, { out }) => { report(out, 'ran', await migrateUp(connectionString), 'nothing is pending') }],
  ['down', async (connectionString, { out }) => { report(out, 'taken back', await migrateDown(connectionString), 'there is nothing to take back') }],
  ['status', status]
])

export function addMigrate (program: Command, terminal: Terminal): void {
  const command = program.command('migrate')
    .description('create or change the tables')
    .addArgument(new Argument('[act]', 'up: run what is pending; down: take back the last migration, with its data; status: say what is pending, newer or missing, and change nothing')
      .choices([...ACTS.keys()]).default('up'))
    .option('--json', 'of status: as JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const act = ACTS.get(name)
      if (act === undefined) return
      const work = withReached(terminal.env, async ({ migrationConnectionString }) => { await act(migrationConnectionString, terminal, options) }, { makes: name === 'up' })
      await (act === status ? work.catch(async (error: unknown) => { await tellNone(error, terminal, options) }) : work)
    })
  explainCommand(command, {
    notes: ['The database is that of DATABASE_MIGRATION_URL, else of DATABASE_DIRECT_URL, else of DATABASE_URL, else the embedded one of DATA_DIR, which up makes where there is none.'],
    json: '{ "pending": [name], "newer": [name], "missing": ["table.column"] }',
    wrong: '(status) the database and this version do not fit',
    examples: [
      ['silverback migrate', 'run what is pending'],
      ['silverback migrate down', 'take back the last one'],
      ['silverback migrate status', 'before a deployment: 0 when the tables fit']
    ]
  })
}

async function status (connectionString: string, terminal: Terminal, options: { readonly json?: boolean }): Promise<void> {
  tell(await withClient(connectionString, async (client) => await readStatus(client)), terminal, options)
}

/** Where there is no database yet. @throws any other error */
async function tellNone (error: unknown, terminal: Terminal, options: { readonly json?: boolean }): Promise<void> {
  if (!isNoDatabase(error)) throw error
  print(terminal.err, `silverback: ${explain(error)}`)
  tell(await statusOfNone(), terminal, options)
}

function tell (found: MigrationStatus, { out, leave }: Terminal, { json = false }: { readonly json?: boolean }): void {
  // a table that is still to be made lacks all of its columns
  const told = found.pending.length > 0 ? { ...found, missing: [] } : found
  const lines = Object.entries(told).flatMap(([kind, names]: [string, readonly string[]]) => names.map((name) => `${kind}: ${name}`))
  if (json) printJson(out, found)
  else print(out, ...(lines.length === 0 ? ['up to date'] : lines))
  if (lines.length > 0) leave(EXIT.wrong)
}

function report (out: Terminal['out'], done: string, names: readonly string[], nothing: string): void {
  print(out, ...(names.length === 0 ? [nothing] : names.map((name) => `${done}: ${name}`)))
}
