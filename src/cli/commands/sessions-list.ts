import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { RequestError } from '../../plugins/problems.js'
import { searchSessions } from '../../service/admin/session-list.js'
import type { AdminEntry, Search } from '../../service/admin/session-list.js'
import type { User } from '../../service/users/user-store.js'
import { withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { CommandError, EXIT, print, toColumns, toMinute } from '../terminal.js'
import type { Terminal } from '../terminal.js'
import { findUser } from './users.js'

export type ListedSession = Omit<AdminEntry, 'current'>

interface ListOptions {
  readonly user?: string
  readonly q?: string
  readonly limit: number
  readonly all?: boolean
  readonly json?: boolean
}

const NOBODY = 'there is no such user, and no session of one'
const DEFAULT_LIMIT = 50
export const HEADS = ['SESSION', 'USER', 'DEVICE', 'ADDRESS', 'LAST SEEN', 'EXPIRES', 'BLOCKED']
const WIDTHS = [36, 28, 22, 15, 17, 17, 0]
const SHAPE = `{ "sessions": [{ "id", "user": { "id", "email": text | null, "isAdmin", "isDisabled" } | null,
  "device": text | null, "clientIp": text | null, "createdAt", "lastSeenAt", "expiresAt": ISO 8601,
  "blocked": boolean, "blockedReason": text | null }], "more": boolean }`

export function addList (sessions: Command, terminal: Terminal): void {
  const command = sessions.command('list')
    .description('list sessions that have not expired, by id')
    .option('--user <user>', 'those of a user: e-mail address or id, also the id of a user elsewhere who has sessions')
    .option('--q <text>', 'those that fit: a session id, an address of a client, or a part of an e-mail address')
    .option('--limit <n>', 'at most so many', toLimit, DEFAULT_LIMIT)
    .option('--all', 'without a limit')
    .option('--json', 'as JSON')
    .action(async (options: ListOptions) => {
      await withDatabase(terminal, async (open) => { await list(open, terminal, options) })
    })
  explainCommand(command, {
    json: SHAPE,
    wrong: NOBODY,
    examples: [
      ['silverback sessions list', `the first ${DEFAULT_LIMIT}`],
      ['silverback sessions list --user ada@example.com', 'on which devices somebody is signed in'],
      ['silverback sessions list --q 203.0.113.7 --all --json', 'all from one address, for a program']
    ]
  })
}

async function list ({ users, database }: OpenDatabase, { out }: Terminal, { user, q, limit, all = false, json = false }: ListOptions): Promise<void> {
  if (user !== undefined && q !== undefined) throw new CommandError(EXIT.usage, '--user and --q do not go together')
  const known = user === undefined ? null : await lookUpUser(users, user)
  const search = { ...(user !== undefined && { user: known?.id ?? user }), ...(q !== undefined && { q }) }
  const most = all ? Infinity : limit
  let count = 0
  let more = false
  const head = [json ? '{ "sessions": [' : toColumns(HEADS, WIDTHS)]
  for await (const entry of entries(database, search)) {
    print(out, ...head.splice(0)) // not before the database has answered
    more = count === most
    if (more || !out.writable) break // nobody reads on
    if (!json) print(out, toColumns(cellsOf(entry), WIDTHS))
    else out.write(`${count === 0 ? '' : ',\n'}${JSON.stringify(shapeOf(entry))}`)
    count++
  }
  if (count === 0 && user !== undefined && known === null) throw new CommandError(EXIT.wrong, NOBODY)
  print(out, ...head)
  if (json) print(out, `${count === 0 ? '' : '\n'}], "more": ${more} }`)
  else print(out, more ? `${count} sessions, and more: see --all and --limit` : `${count} sessions`)
}

/** A user of the service; `null`: none, but sessions may be of users elsewhere, whose ids may look like anything. */
async function lookUpUser (users: OpenDatabase['users'], who: string): Promise<User | null> {
  return await findUser(users, who).catch((error: unknown) => {
    if (error instanceof CommandError) return null
    throw error
  })
}

async function * entries (database: OpenDatabase['database'], search: Search): AsyncGenerator<AdminEntry> {
  let cursor: string | null | undefined
  do {
    const page = await searchSessions(database, { ...search, ...(typeof cursor === 'string' && { cursor }) }, '').catch((error: unknown) => {
      throw error instanceof RequestError ? new CommandError(EXIT.usage, error.message) : error
    })
    yield * page.sessions
    cursor = page.cursor
  } while (cursor !== null)
}

/** What programs are told of a session. */
export const shapeOf = ({ id, user, device, clientIp, createdAt, lastSeenAt, expiresAt, blocked, blockedReason }: ListedSession) =>
  ({ id, user, device, clientIp, createdAt, lastSeenAt, expiresAt, blocked, blockedReason })

/** What stands under `HEADS`. */
export const cellsOf = ({ id, user, device, clientIp, lastSeenAt, expiresAt, blockedReason, blocked }: ListedSession): string[] =>
  [id, user === null ? '(visitor)' : user.email ?? user.id, device ?? '-', clientIp ?? '-', toMinute(lastSeenAt), toMinute(expiresAt), blocked ? blockedReason ?? 'yes' : '']

function toLimit (text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return Number(text)
}
