import type { Command } from 'commander'
import { isUuid } from '../../core/uuid.js'
import { RequestError } from '../../plugins/problems.js'
import { parseEmail } from '../../service/users/email.js'
import type { RecordedKind } from '../../service/events/event.js'
import { disableUser, logOutUser } from '../../service/users/endings.js'
import type { EndSessions } from '../../service/users/endings.js'
import type { User, UserStore } from '../../service/users/user-store.js'
import { COMMAND_LINE, withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { CommandError, EXIT, inThousands, print, printable } from '../terminal.js'
import type { Terminal } from '../terminal.js'

/** Resolves to what was done, to be said of the user; to `null`: the user is gone meanwhile. */
type Act = (open: OpenDatabase, user: User) => Promise<string | null>

const WHO = 'an e-mail address, or the id of a user'

export function addUsers (program: Command, terminal: Terminal): void {
  const users = program.command('users').description('promote, disable, enable or sign out users')
  explainCommand(users, { examples: [['silverback users promote ada@example.com', 'make an administrator'], ['silverback users disable --help', 'more about one of them']] })
  const add = (name: string, kind: RecordedKind, [description, example]: readonly [string, string], act: Act): void => {
    const command = users.command(name).description(description).argument('<user>', WHO).action(async (who: string) => {
      await withDatabase(terminal, async (open) => {
        const user = await findUser(open.users, who)
        const done = await act(open, user)
        if (done === null) throw nobody()
        open.events.record({ kind, userId: user.id, reason: COMMAND_LINE })
        print(terminal.out, `${printable(user.email)} ${done}`)
      })
    })
    explainCommand(command, { wrong: 'there is no such user', examples: [[`silverback users ${name} ada@example.com`, example], [`silverback users ${name} 0b2f8c1e-5d0a-4a53-9a1e-3c6d7f8e9a10`, 'by id']] })
  }

  add('promote', 'promoted', ['make a user an administrator, from their next sign-in on', 'the first administrator of a new service'], async ({ users }, { id }) =>
    await users.promote(id) ? 'is an administrator, in every session that begins from now on' : null)

  add('disable', 'disabled', ['end all sessions of a user, and refuse them until they are enabled', 'signs out and locks out'], async (open, { id }) => {
    const ended = await disableUser(open.users, id, endingIn(open), (count) => { open.statistics.count('ended', count) })
    return ended === null ? null : `is disabled; ${sessions(ended)} ended`
  })

  add('enable', 'enabled', ['let a user sign in again', 'takes back a disable'], async ({ users }, { id }) => await users.enable(id) ? 'may sign in' : null)

  add('logout', 'signedOutByAdmin', ['end all sessions of a user', 'on every device, at once'], async (open, { id }) => {
    const ended = await logOutUser(open.users, id, endingIn(open))
    return ended === null ? null : `is signed out; ${sessions(ended)} ended`
  })
}

const endingIn = ({ store, statistics }: OpenDatabase): EndSessions => async (id) => {
  const { length } = await store.deleteByUser(id)
  if (length > 0) statistics.count('ended', length)
  return length
}

/** @throws CommandError when there is none, or the text is neither an address nor an id */
export async function findUser (users: UserStore, who: string): Promise<User> {
  const account = isUuid(who.toLowerCase()) ? await users.get(who.toLowerCase()) : await users.find(emailKey(who))
  if (account === null) throw nobody()
  return account.user
}

function emailKey (text: string): string {
  try {
    return parseEmail(text).key
  } catch (error) {
    if (error instanceof RequestError) throw new CommandError(EXIT.usage, `a user must be ${WHO}`)
    throw error
  }
}

const nobody = (): CommandError => new CommandError(EXIT.wrong, 'there is no such user')
const sessions = (count: number): string => `${inThousands(count)} ${count === 1 ? 'session' : 'sessions'}`
