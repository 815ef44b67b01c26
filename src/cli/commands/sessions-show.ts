import type { Command } from 'commander'
import { searchSessions } from '../../service/admin/session-list.js'
import { storyOf } from '../../service/events/story.js'
import type { Story, StoryLine } from '../../service/events/story.js'
import { withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { CommandError, EXAMPLE_ID, EXIT, print, printable, printJson, toMinute, toSessionId } from '../terminal.js'
import type { Terminal } from '../terminal.js'
import { cellsOf, HEADS, shapeOf } from './sessions-list.js'
import type { ListedSession } from './sessions-list.js'

interface Shown {
  readonly id: string
  /** As in the list; `null`: it has ended. */
  readonly session: ListedSession | null
  readonly story: Story
}

export function addShow (sessions: Command, terminal: Terminal): void {
  const command = sessions.command('show')
    .description('tell the story of a session, and why it ended')
    .argument('<id>', 'of the session, also of one that has ended')
    .option('--json', 'as JSON')
    .action(async (given: string, { json = false }: { json?: boolean }) => {
      const id = toSessionId(given)
      const shown = await withDatabase(terminal, async (open) => await look(open, id))
      if (json) printJson(terminal.out, { id, session: shown.session === null ? null : shapeOf(shown.session), ...shown.story })
      else print(terminal.out, ...toLines(shown))
    })
  explainCommand(command, {
    notes: ['Of sessions that have ended the story is kept for EVENT_RETENTION; of visitors, who never signed in, none is kept.'],
    json: `{ "id", "session": as in sessions list | null, "lines": [{ "at": ISO 8601, "text", "clientIp": text | null,
  "actorId": text | null }], "why": text | null, "refreshes": number }`,
    wrong: 'nothing is known of such a session',
    examples: [
      [`silverback sessions show ${EXAMPLE_ID}`, 'who, from where, what happened'],
      [`silverback sessions show ${EXAMPLE_ID} --json`, 'for programs']
    ]
  })
}

async function look ({ database, events }: OpenDatabase, id: string): Promise<Shown> {
  const [happened, state] = [await events.ofSession(id), await events.stateOf(id)]
  if (happened.length === 0 && state === null) throw new CommandError(EXIT.wrong, 'nothing is known of such a session')
  const { sessions: [session = null] } = await searchSessions(database, { q: id }, '')
  return { id, session, story: storyOf(happened, state) }
}

function toLines ({ id, session, story }: Shown): string[] {
  const { lines, why } = story
  return [
    ...(session === null ? [factLine(HEADS[0] ?? '', id)] : cellsOf(session).map((cell, column) => factLine(HEADS[column] ?? '', cell))),
    '',
    ...(lines.length === 0 ? ['no events are kept of it'] : lines.map(toLine)),
    '',
    why === null ? 'it lives' : printable(why)
  ]
}

const factLine = (name: string, value: string): string => `${name.toLowerCase().padEnd(10)} ${value === '' ? '-' : printable(value)}`

const toLine = ({ at, text, clientIp, actorId }: StoryLine): string =>
  `${toMinute(at)}  ${printable(text)}${clientIp === null ? '' : `, from ${clientIp}`}${actorId === null ? '' : `, by user ${printable(actorId)}`}`
