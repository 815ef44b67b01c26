import t from 'tap'
import { migrateUp } from '../../src/service/database/migrations.js'
import { readAccess } from '../../src/service/database/access.js'
import { readTables } from '../../src/service/database/figures.js'
import { TABLE_NAMES } from '../../src/service/database/tables.js'
import { freshDatabase } from '../helpers/database.js'

void t.test('the tables that are looked at are those that the migrations make', async (t) => {
  const { pool } = await freshDatabase(t, { prepare: migrateUp })
  const { rows } = await pool.query<{ name: string }>("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%migrations'")
  t.strictSame(rows.map(({ name }) => name).sort(), TABLE_NAMES.toSorted())
  t.strictSame((await readTables(pool, TABLE_NAMES)).map(({ name }) => name), TABLE_NAMES)
  await pool.query(`DROP TABLE ${TABLE_NAMES.join(', ')} CASCADE`)
  t.strictSame((await readAccess(pool)).absent, TABLE_NAMES)
})
