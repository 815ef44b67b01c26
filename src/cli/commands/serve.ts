import type { Command } from 'commander'
import { explainCommand } from '../help.js'
import { EXIT, print } from '../terminal.js'
import type { Terminal } from '../terminal.js'

export function addServe (program: Command, terminal: Terminal): void {
  const command = program.command('serve').description('run the service until a signal ends it').action(async () => {
    const { runService } = await import('../../service/run.js') // the largest part of the program, and no other command needs it
    const fault = await runService(terminal.env)
    if (fault === null) return
    print(terminal.err, fault)
    terminal.leave(EXIT.failed)
  })
  explainCommand(command, {
    examples: [
      ['silverback serve', 'with an embedded PostgreSQL and keys of its own, for development'],
      ['DATABASE_URL=postgres://… PORT=8080 silverback serve', 'all settings are variables: see .env.example']
    ]
  })
}
