/** Many sessions at once, made by the server itself. The nth has an id and a secret that follow from n. */

import { createHash } from 'node:crypto'
import { interrupted } from './command.js'
import { query } from './database.js'

/** Rows of one statement. */
const CHUNK = 250_000

/** The id of the nth session, in SQL. Random as far as an index can tell. */
export const idOf = (n) => `overlay(overlay(md5('session-' || ${n}) placing '4' from 13) placing '8' from 17)::uuid`

/** The hash of its secret, in SQL. */
export const secretHashOf = (n) => `sha256(convert_to('secret-' || ${n}, 'UTF8'))`

/** The same id and hash here. */
export function sessionOf (n) {
  const hex = createHash('md5').update(`session-${n}`).digest('hex')
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
  return { id, secretHash: createHash('sha256').update(`secret-${n}`).digest() }
}

/** Signed in is every second session; each user has two. */
export const userOf = (n) => `user-${Math.floor(n / 4)}`

/**
 * Inserts sessions from `first` on, without triggers. Half of them are signed in and have a lineage of refresh tokens;
 * all hold some 250 bytes of JSON. Those that live end in one to 13 days; the others have ended one to 13 days ago.
 *
 * @param done called with how many there are, after each chunk
 */
export async function fill (connectionString, { first = 0, count, expired = false, done = () => {} }) {
  for (let from = first; from < first + count; from += CHUNK) {
    interrupted.throwIfAborted()
    const to = Math.min(from + CHUNK, first + count) - 1
    await query(connectionString, `SET session_replication_role = replica; SET synchronous_commit = off;
      ${insertSessions({ from, to, expired })}; ${insertLineages({ from, to })}`)
    done(to + 1 - first)
  }
}

/** What autovacuum and the checkpointer would have done by and by, so that it does not fall into what is measured next. */
export async function settle (connectionString) {
  await query(connectionString, 'VACUUM (ANALYZE) sessions, refresh_tokens')
  await query(connectionString, 'CHECKPOINT')
}

const insertSessions = ({ from, to, expired }) => `
  INSERT INTO sessions (id, secret_hash, user_id, "values", claims, created_at, expires_at, absolute_expires_at, last_seen_at, authenticated_at, user_agent, client_ip, expiry_bucket)
  SELECT ${idOf('n')}, ${secretHashOf('n')}, CASE WHEN n % 2 = 0 THEN 'user-' || n / 4 END,
    jsonb_build_object('index', n, 'n', 0, 'theme', 'dark',
      'user', jsonb_build_object('id', 'user-' || n, 'name', 'Ada Lovelace', 'email', 'ada@example.com', 'roles', jsonb_build_array('member', 'editor')),
      'cart', '[{"sku": "A-100", "count": 1}, {"sku": "B-200", "count": 2}, {"sku": "C-300", "count": 3}]'::jsonb),
    '{}', ends - interval '15 days', ends, ends + interval '45 days', ends - interval '14 days', CASE WHEN n % 2 = 0 THEN ends - interval '15 days' END,
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '192.0.2.1', floor(extract(epoch FROM ends) / 3600)
  FROM generate_series(${from}, ${to}) AS n,
    LATERAL (SELECT now() ${expired ? '-' : '+'} (86400 + (hashint4(n) & 1048575)) * interval '1 second' AS ends) AS e`

const insertLineages = ({ from, to }) => `
  INSERT INTO refresh_tokens (session_id, user_id, token_hash, previous_hash)
  SELECT ${idOf('n')}, 'user-' || n / 4, ${secretHashOf('n')}, ${secretHashOf('n')}
  FROM generate_series(${from}, ${to}) AS n WHERE n % 2 = 0`
