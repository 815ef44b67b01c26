import type { Command } from 'commander'
import { readConfig } from '../../service/config.js'
import { ConfigError } from '../../service/config/error.js'
import { explainCommand } from '../help.js'
import { EXIT, print, printJson } from '../terminal.js'
import type { Terminal } from '../terminal.js'

interface Verdict {
  readonly sound: boolean
  readonly faults: readonly string[]
  readonly warnings: readonly string[]
}

export function addCheckConfig (program: Command, { env, out, leave }: Terminal): void {
  const command = program.command('check-config').description('read the configuration as serve would, and say all that is wrong').option('--json', 'as JSON').action(({ json = false }: { json?: boolean }) => {
    const verdict = judge(env)
    if (json) printJson(out, verdict)
    else {
      print(out, ...verdict.faults.map((fault) => `fault: ${fault}`), ...verdict.warnings.map((warning) => `warning: ${warning}`))
      print(out, verdict.sound ? 'the configuration is sound' : 'the configuration is not valid: the service would not start')
    }
    if (!verdict.sound) leave(EXIT.wrong)
  })
  explainCommand(command, {
    notes: ['Lines name variables and never show a value. Nothing is connected to: see `silverback doctor`.'],
    json: '{ "sound": boolean, "faults": [line], "warnings": [line] }',
    wrong: 'the service would not start with it',
    examples: [
      ['silverback check-config', 'with the variables of this shell, and of the file .env'],
      ['node --env-file=production.env dist/cli/silverback.js check-config', 'with those of another file, before a deployment']
    ]
  })
}

function judge (env: NodeJS.ProcessEnv): Verdict {
  try {
    return { sound: true, faults: [], warnings: readConfig({ ...env }).warnings }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { sound: false, faults: error.faults, warnings: [] }
  }
}
