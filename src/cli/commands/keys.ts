import { Argument } from 'commander'
import type { Command } from 'commander'
import { MAKE_KEY } from '../../service/keys.js'
import { explainCommand } from '../help.js'
import { print } from '../terminal.js'
import type { Terminal } from '../terminal.js'

/** By what keys are called here. */
const VARIABLES: ReadonlyMap<string, keyof typeof MAKE_KEY> = new Map([
  ['session', 'SESSION_AUTH_KEYS'],
  ['encryption', 'SESSION_ENCRYPTION_KEYS'],
  ['signing', 'TOKEN_SIGNING_KEYS'],
  ['refresh', 'TOKEN_REFRESH_KEYS']
])

export function addKeys (program: Command, { out }: Terminal): void {
  const keys = program.command('keys').description('make keys')
  const generate = keys.command('generate')
    .description('print new keys as the environment takes them')
    .addArgument(new Argument('[kind]', 'which one; default: one of each').choices([...VARIABLES.keys()]))
    .action((kind?: string) => {
      for (const [name, variable] of VARIABLES) {
        if (kind === undefined || kind === name) print(out, `${variable}=${MAKE_KEY[variable]().trim().replaceAll('\n', '\\n')}`)
      }
    })
  const notes = [
    'The lines are for a .env file. What is printed is secret: keep it from logs and other users.',
    'To rotate, put the new key before the old one, with a comma between (of signing keys without one), and remove the old one when what it made has expired.'
  ]
  const examples = [
    ['silverback keys generate >> .env', 'a key of each kind'],
    ['silverback keys generate signing', 'a new Ed25519 key for access tokens']
  ] as const
  explainCommand(generate, { notes, examples })
  explainCommand(keys, { examples })
}
