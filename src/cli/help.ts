import type { Command } from 'commander'

const COLUMNS = 100

export interface HelpNotes {
  /** Each a command line with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What 3 means here. Default: this command never ends with it. */
  readonly wrong?: string
  /** What `--json` prints. */
  readonly json?: string
  /** Paragraphs before the examples. */
  readonly notes?: readonly string[]
}

/** Adds to the help of a command what commander does not know. */
export function explainCommand (command: Command, { examples, wrong, json, notes = [] }: HelpNotes): Command {
  const longest = Math.max(...examples.map(([line]) => line.length))
  const text = [
    ...notes.flatMap((note) => ['', command.createHelp().boxWrap(note, COLUMNS)]),
    ...(json === undefined ? [] : ['', 'With --json:', ...json.split('\n').map((line) => `  ${line}`)]),
    '',
    'Examples:',
    ...examples.map(([line, what]) => `  $ ${line.padEnd(longest)}  ${what}`),
    '',
    `Exit codes: 0 done; 1 failed; 2 wrong usage${wrong === undefined ? '' : `; 3 ${wrong}`}`
  ]
  return command.addHelpText('after', text.join('\n'))
}
