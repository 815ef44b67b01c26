/**
 * What an administrator looks for: among all sessions that have not expired, by their id from a cursor on, so that a page
 * costs the same wherever it begins; and among users.
 *
 * @module
 */
import type { Statement, Template } from '../../stores/postgres/statement.js'
import { template } from '../../stores/postgres/statement.js'
import { recordOf } from '../../stores/postgres/rows.js'
import { TABLES, USERS } from '../database/tables.js'

/** A page of the list. */
export interface Page {
  /** The id after which it begins; `null`: at the beginning. */
  readonly after: string | null
  readonly limit: number
}

/** By what sessions are looked for. */
export type Filter =
  | { readonly by: 'all' }
  | { readonly by: 'user' | 'email' | 'session' | 'address', readonly value: string }

/** $3 is what is looked for. A filter has a statement of its own, so that each can use its index. */
const list = (label: string, condition: string): Template => template(label, (tables) => `
  SELECT ${recordOf('t', 'now()')}, u.email AS user_email, u.is_admin AS user_is_admin, u.disabled_at IS NOT NULL AS user_disabled
  FROM ${tables.sessions} AS t LEFT JOIN ${USERS} AS u ON u.id::text = t.user_id
  WHERE t.expires_at > now() AND ($1::uuid IS NULL OR t.id > $1) AND ${condition}
  ORDER BY t.id
  LIMIT $2::integer`)

const LISTS: Readonly<Record<Filter['by'], Template>> = {
  all: list('listSessions', '$3::text IS NULL'),
  user: list('listSessionsByUser', 't.user_id = $3::text'),
  email: list('listSessionsByEmail', `t.user_id IN (SELECT f.id::text FROM ${USERS} AS f WHERE strpos(f.email_key, $3::text) > 0)`),
  session: list('listSessionsById', 't.id = $3::uuid'),
  address: list('listSessionsByAddress', 't.client_ip = $3::inet')
}

export const listSessions = (filter: Filter, { after, limit }: Page): Statement =>
  LISTS[filter.by](TABLES, [after, limit, filter.by === 'all' ? null : filter.value])

const USER_COLUMNS = 'u.id, u.email, u.is_admin, u.disabled_at IS NOT NULL AS disabled'

const FIND_USERS = template('findUsers', () => `
  SELECT ${USER_COLUMNS} FROM ${USERS} AS u WHERE strpos(u.email_key, $1::text) > 0 ORDER BY u.email_key LIMIT $2::integer`)

/** Those whose address holds the text, by address. */
export const findUsers = (text: string, limit: number): Statement => FIND_USERS(TABLES, [text, limit])

const GET_USERS = template('getUsers', () => `SELECT ${USER_COLUMNS} FROM ${USERS} AS u WHERE u.id = ANY ($1::uuid[])`)

export const getUsers = (ids: readonly string[]): Statement => GET_USERS(TABLES, [ids])
