import t from 'tap'
import { PostgresStore } from '../../../src/stores/postgres/store.js'
import { storeContract } from '../../../src/testing/index.js'
import { clusterUrl } from '../../helpers/database.js'
import { hasPgbouncer, openPgbouncer, untilItAnswers } from '../../helpers/pgbouncer.js'
import { postgresHarnesses } from '../../helpers/postgres-harness.js'

if (hasPgbouncer) {
  await t.test('PostgresStore keeps the contract through PgBouncer in transaction mode', async (t) => {
    const { host } = new URL(await openPgbouncer(t, await clusterUrl()))
    let through: string | undefined
    const open = await postgresHarnesses(t, (connectionString) => {
      through = Object.assign(new URL(connectionString), { host }).href
      return new PostgresStore({ connectionString: through, pooler: 'transaction' })
    })
    const openWhenReady = async (): ReturnType<typeof open> => {
      if (through !== undefined) await untilItAnswers(through)
      return await open()
    }
    storeContract({ test: (title, law) => t.test(title, law), open: openWhenReady })
  })
}
