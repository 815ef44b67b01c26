import type { Command } from 'commander'

const COLUMNS = 100

export interface HelpNotes {
  /** Each a command line with what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What 3 means here. Default: this command never ends with it. */
  readonly wrong?: string
  /** What `--json` prints. */
  readonly json?: string
  /** Names with what they are, before the paragraphs. */
  readonly list?: { readonly title: string, readonly lines: readonly (readonly [name: string, what: string])[] }
  /** Paragraphs before the examples. */
  readonly notes?: readonly string[]
}

/** Adds to the help of a command what commander does not know. */
export function explainCommand (command: Command, { examples, wrong, json, list, notes = [] }: HelpNotes): Command {
  const text = [
    ...(list === undefined ? [] : ['', `${list.title}:`, ...inColumns(list.lines).map((line) => `  ${line}`)]),
    ...notes.flatMap((note) => ['', command.createHelp().boxWrap(note, COLUMNS)]),
    ...(json === undefined ? [] : ['', 'With --json:', ...json.split('\n').map((line) => `  ${line}`)]),
    '',
    'Examples:',
    ...inColumns(examples).map((line) => `  $ ${line}`),
    '',
    `Exit codes: 0 done; 1 failed; 2 wrong usage${wrong === undefined ? '' : `; 3 ${wrong}`}`
  ]
  return command.addHelpText('after', text.join('\n'))
}

function inColumns (lines: readonly (readonly [first: string, second: string])[]): string[] {
  const longest = Math.max(...lines.map(([first]) => first.length))
  return lines.map(([first, second]) => `${first.padEnd(longest)}  ${second}`)
}
