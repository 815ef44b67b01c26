/** What sessions take on a disk. */

import { statfs } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { query } from './database.js'
import { urlOf } from './root.js'

/** A session as `fill` makes them, tables and indexes, with some room: what bench:scale has measured is less. */
const BYTES_A_SESSION = 1_600
/** A new cluster, and its log while it is filled. */
export const WAL_GIB = 4
const BESIDES = (2 * WAL_GIB + 1) * 2 ** 30

const SIZES = `
  SELECT t.relname AS "table", r.what, pg_relation_size(r.oid) AS bytes
  FROM pg_class AS t CROSS JOIN LATERAL (
    SELECT t.oid, 0 AS place, 'rows' AS what
    UNION ALL SELECT t.reltoastrelid, 1, 'toast' WHERE t.reltoastrelid <> 0
    UNION ALL SELECT i.indexrelid, 2, i.indexrelid::regclass::text FROM pg_index AS i WHERE i.indrelid = t.oid
  ) AS r
  WHERE t.relname IN ('sessions', 'refresh_tokens') AND t.relkind = 'r'
  ORDER BY t.relname DESC, r.place, r.what`

/** Bytes of the rows, the values stored apart (toast) and each index, of both tables. */
export async function sizesOf (connectionString) {
  return (await query(connectionString, SIZES)).map(({ table, what, bytes }) => ({ table, what, bytes: Number(bytes) }))
}

/** @throws TypeError that says how much is needed, when there is less on the disk of bench/results */
export async function checkRoom (sessions) {
  const needed = sessions * BYTES_A_SESSION + BESIDES
  const { bavail, bsize } = await statfs(fileURLToPath(urlOf('bench/')))
  const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  const need = `${sessions} sessions need ${gib(needed)} of disk under bench/results; there are ${gib(bavail * bsize)}`
  if (bavail * bsize < needed) throw new TypeError(`${need}. Choose smaller --sizes`)
  return need
}
