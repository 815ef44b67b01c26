import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { BLOCK_REASON, isBlockReason } from '../../session/block-reason.js'
import { blockSession } from '../../service/admin/block-session.js'
import type { BlockOutcome } from '../../service/admin/block-session.js'
import type { RecordedKind } from '../../service/events/event.js'
import type { CounterName } from '../../service/stats/series.js'
import { COMMAND_LINE, withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { CommandError, EXAMPLE_ID, EXIT, print, toSessionId } from '../terminal.js'
import type { Terminal } from '../terminal.js'
import { addList } from './sessions-list.js'
import { addShow } from './sessions-show.js'

const GONE = 'there is no such session, or it has ended'

export function addSessions (program: Command, terminal: Terminal): void {
  const sessions = program.command('sessions').description('find sessions, end or block them')
  explainCommand(sessions, { examples: [['silverback sessions list --user ada@example.com', 'whose, from where, until when'], ['silverback sessions show --help', 'more about one of them']] })
  addList(sessions, terminal)
  addShow(sessions, terminal)
  addActs(sessions, terminal)
}

/** What is done to one session. */
interface Act {
  readonly name: string
  readonly description: string
  readonly done: string
  readonly kind: RecordedKind
  readonly counter: CounterName | null
  readonly example: readonly [options: string, what: string]
  readonly work: (open: OpenDatabase, id: string, reason: string) => Promise<boolean | BlockOutcome | null>
}

const ACTS: readonly Act[] = [
  { name: 'end', description: 'end a session: its device is signed out', done: 'has ended', kind: 'endedByAdmin', counter: 'ended', example: ['', 'a device that was lost'], work: async ({ store }, id) => await store.delete(id) },
  { name: 'block', description: 'freeze a session: it is kept, and refuses everything', done: 'is blocked', kind: 'blockedByAdmin', counter: 'blocked', example: [' --reason "called in"', 'until it is looked into'], work: async ({ database }, id, reason) => await blockSession(database, id, reason) },
  { name: 'unblock', description: 'lift the block of a session', done: 'is not blocked', kind: 'unblockedByAdmin', counter: null, example: ['', 'it goes on where it was'], work: async ({ store }, id) => await store.unblock(id) }
]

function addActs (sessions: Command, terminal: Terminal): void {
  for (const { name, description, done, kind, counter, example: [options, what], work } of ACTS) {
    const command = sessions.command(name).description(description).argument('<id>', 'of the session')
      .option('--reason <text>', 'why, for the list and the story', toReason, COMMAND_LINE)
      .action(async (given: string, { reason }: { reason: string }) => {
        const id = toSessionId(given)
        const outcome = await withDatabase(terminal, async (open) => {
          const outcome = await work(open, id, reason)
          if (outcome === false || outcome === null) throw new CommandError(EXIT.wrong, GONE)
          if (outcome === 'already') return outcome
          if (counter !== null) open.statistics.count(counter)
          open.events.record({ kind, sessionId: id, reason: reason === COMMAND_LINE ? reason : `${COMMAND_LINE}: ${reason}` })
          return outcome
        })
        print(terminal.out, `${id} ${done}${outcome === 'already' ? ' already: its reason stands' : ''}`)
      })
    explainCommand(command, { wrong: GONE, examples: [[`silverback sessions ${name} ${EXAMPLE_ID}${options}`, what]] })
  }
}

function toReason (text: string): string {
  if (text === '' || !isBlockReason(text)) throw new InvalidArgumentError(`It must be ${BLOCK_REASON}.`)
  return text
}
