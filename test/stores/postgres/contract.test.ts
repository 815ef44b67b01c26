import t from 'tap'
import type { Store } from '../../../src/session/store.js'
import { tables } from '../../../src/stores/postgres/names.js'
import { PlainPostgresStore } from '../../../src/stores/postgres/plain-store.js'
import { openPool } from '../../../src/stores/postgres/pool.js'
import { Database } from '../../../src/stores/postgres/query.js'
import { storeContract } from '../../../src/testing/index.js'
import { postgresHarnesses } from '../../helpers/postgres-harness.js'

/** One statement a method, without batches. Closes its pool. */
class LonePlainStore extends PlainPostgresStore {
  readonly #release: () => Promise<void>
  #closed: Promise<void> | undefined

  constructor (connectionString: string) {
    const { pool, close } = openPool(connectionString, { max: 4, pooler: false })
    super(new Database({ pool, named: true }), tables({}))
    this.#release = close
  }

  override close (): Promise<void> {
    this.#closed ??= this.#release()
    return this.#closed
  }
}

await t.test('PostgresStore keeps the contract of a store, two processes on one database', async (t) => {
  storeContract({ test: (title, law) => t.test(title, law), open: await postgresHarnesses(t) })
})

await t.test('the plain store that it wraps keeps it too', async (t) => {
  const open = (connectionString: string): Store => new LonePlainStore(connectionString)
  storeContract({ test: (title, law) => t.test(title, law), open: await postgresHarnesses(t, open) })
})
