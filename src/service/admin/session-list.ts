import { isIP } from 'node:net'
import { isUuid } from '../../core/uuid.js'
import { toEntry } from '../../plugins/auth/session-entry.js'
import type { SessionEntry } from '../../plugins/auth/session-entry.js'
import { invalid } from '../../plugins/problems.js'
import type { Database } from '../../stores/postgres/query.js'
import { toRecord } from '../../stores/postgres/rows.js'
import type { Row } from '../../stores/postgres/rows.js'
import { cleanText, toEmailPart } from './search-text.js'
import { listSessions } from './statements.js'
import type { Filter } from './statements.js'

/** A session as administrators see it. */
export interface AdminEntry extends SessionEntry {
  readonly blockedReason: string | null
  /** `null`: a visitor's. Of a user who is no user of the service only the id is known. */
  readonly user: { readonly id: string, readonly email: string | null, readonly isAdmin: boolean, readonly isDisabled: boolean } | null
}

/** What is looked for: sessions of a user by id, or what `q` is: a session id, an address, or a part of an e-mail address. */
export interface Search {
  readonly user?: string | undefined
  readonly q?: string | undefined
  readonly cursor?: string | undefined
}

export interface AdminPage {
  readonly sessions: readonly AdminEntry[]
  /** Of the next page; `null`: there is none. */
  readonly cursor: string | null
}

const PAGE = 50

/**
 * A page of the sessions that have not expired, blocked ones included, ordered by id.
 *
 * @param currentId the session that asks
 * @throws RequestError 400 `ERR_VALIDATION` for a cursor that is none, and for `user` and `q` at once; StoreError
 */
export async function searchSessions (database: Database, { user, q, cursor }: Search, currentId: string): Promise<AdminPage> {
  if (cursor !== undefined && !isUuid(cursor)) throw invalid('cursor', 'must be the cursor of another page')
  if (user !== undefined && q !== undefined) throw invalid('q', 'must not stand beside "user"')
  const rows = await database.read(listSessions(filterOf(user, q), { after: cursor ?? null, limit: PAGE + 1 }))
  const sessions = rows.slice(0, PAGE).map((row) => toAdminEntry(row, currentId))
  return { sessions, cursor: rows.length > PAGE ? sessions.at(-1)?.id ?? null : null }
}

function filterOf (user: string | undefined, q: string | undefined): Filter {
  if (user !== undefined) return { by: 'user', value: cleanText('user', user) }
  const text = cleanText('q', q ?? '').trim()
  if (text === '') return { by: 'all' }
  if (isUuid(text.toLowerCase())) return { by: 'session', value: text.toLowerCase() }
  if (isIP(text) !== 0 && !text.includes('%')) return { by: 'address', value: text }
  return { by: 'email', value: toEmailPart(text) }
}

function toAdminEntry (row: Row, currentId: string): AdminEntry {
  const record = toRecord(row)
  const { userId } = record
  const user = userId === null
    ? null
    : { id: userId, email: row['user_email'] ?? null, isAdmin: row['user_is_admin'] === 't', isDisabled: row['user_disabled'] === 't' }
  return { ...toEntry(record, currentId), blockedReason: record.blockedReason, user }
}
