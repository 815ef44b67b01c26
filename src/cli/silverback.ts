#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { readEnvFile } from '../service/env-file.js'
import { addCheckConfig } from './commands/check-config.js'
import { addCleanup } from './commands/cleanup.js'
import { addDoctor } from './commands/doctor.js'
import { addKeys } from './commands/keys.js'
import { addMigrate } from './commands/migrate.js'
import { addServe } from './commands/serve.js'
import { addSessions } from './commands/sessions.js'
import { addStats } from './commands/stats.js'
import { addUsers } from './commands/users.js'
import { explain } from './explain.js'
import { explainCommand } from './help.js'
import { CommandError, EXIT, InterruptedError, print } from './terminal.js'
import type { ExitCode, Terminal } from './terminal.js'

const ADD = [addServe, addMigrate, addKeys, addSessions, addUsers, addCleanup, addStats, addDoctor, addCheckConfig]

// a reader that has seen enough, such as `head`, closes the pipe: what is under way still ends in order
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') return
  print(process.stderr, `silverback: ${explain(error)}`)
  process.exit(EXIT.failed)
})
const code = await main(process.argv)
if (code !== EXIT.done) process.exitCode = code

/** Resolves to the exit code. */
async function main (argv: readonly string[]): Promise<ExitCode> {
  let left: ExitCode = EXIT.done
  const terminal: Terminal = { env: process.env, out: process.stdout, err: process.stderr, leave: (code) => { left = code } }
  try {
    readEnvFile()
    await buildProgram(terminal).parseAsync(argv)
    return left
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage // told already
    print(terminal.err, `silverback: ${error instanceof CommandError ? error.message : explain(error)}`)
    if (error instanceof InterruptedError) process.exit(error.exitCode) // what is still asked of the database is left
    return error instanceof CommandError ? error.exitCode : EXIT.failed
  }
}

function buildProgram (terminal: Terminal): Command {
  const program = new Command('silverback')
    .description('Server-side sessions for Fastify, kept in PostgreSQL: the service, and what it needs besides')
    .version(versionOf(new URL('../../package.json', import.meta.url)))
    .exitOverride()
    .showHelpAfterError('(see --help)')
  for (const add of ADD) add(program, terminal)
  return explainCommand(program, {
    notes: ['Settings are variables of the environment, and of the file .env: see .env.example. The database is that of DATABASE_URL, else the embedded one of DATA_DIR, also while the service runs on it. Only serve and migrate up make one.'],
    wrong: 'something is wrong, or was not found',
    examples: [
      ['silverback serve', 'run the service'],
      ['silverback users promote ada@example.com', 'make an administrator'],
      ['silverback doctor', 'what is wrong, and what to do'],
      ['silverback sessions list --help', 'more about a command']
    ]
  })
}

function versionOf (file: URL): string {
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return String(Reflect.get(Object(content), 'version'))
}
