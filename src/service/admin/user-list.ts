import { isUuid } from '../../core/uuid.js'
import type { Database } from '../../stores/postgres/query.js'
import type { Row } from '../../stores/postgres/rows.js'
import { cleanText, toEmailPart } from './search-text.js'
import { findUsers, getUsers } from './statements.js'

/** A user in a list. */
export interface ListedUser {
  readonly id: string
  readonly email: string
  readonly isAdmin: boolean
  readonly isDisabled: boolean
}

/** More are not listed: who looks for one types more of the address. */
const MOST = 10

/**
 * Users by their id, or by a part of their e-mail address, also of those without a session: the first ten by address.
 * @throws RequestError 400 `ERR_VALIDATION` for control characters; StoreError
 */
export async function searchUsers (database: Database, given: string): Promise<ListedUser[]> {
  const text = cleanText('q', given).trim()
  if (text === '') return []
  const id = text.toLowerCase()
  return (await database.read(isUuid(id) ? getUsers([id]) : findUsers(toEmailPart(text), MOST))).map(toUser)
}

/** The e-mail addresses of users, by id; of ids that are nobody's nothing. @throws StoreError */
export async function emailsOf (database: Database, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const known = [...new Set(ids)].filter(isUuid)
  const rows = known.length === 0 ? [] : await database.read(getUsers(known))
  return new Map(rows.map(toUser).map(({ id, email }) => [id, email]))
}

function toUser (row: Row): ListedUser {
  return { id: String(row['id']), email: String(row['email']), isAdmin: row['is_admin'] === 't', isDisabled: row['disabled'] === 't' }
}
