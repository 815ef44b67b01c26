import t from 'tap'
import { PostgresTokenStore } from '../../../src/stores/postgres/token-store.js'
import { tokenContract } from '../../../src/testing/index.js'
import { clusterUrl } from '../../helpers/database.js'
import { hasPgbouncer, openPgbouncer, untilItAnswers } from '../../helpers/pgbouncer.js'
import { postgresTokenHarnesses } from '../../helpers/token-harness.js'

await t.test('PostgresTokenStore keeps the contract of a store of tokens, two processes on one database', async (t) => {
  tokenContract({ test: (title, law) => t.test(title, law), open: await postgresTokenHarnesses(t) })
})

if (hasPgbouncer) {
  await t.test('it keeps it through PgBouncer in transaction mode, with a direct connection for the watch', async (t) => {
    const { host } = new URL(await openPgbouncer(t, await clusterUrl()))
    let through: string | undefined
    const open = await postgresTokenHarnesses(t, (connectionString) => {
      through = Object.assign(new URL(connectionString), { host }).href
      return new PostgresTokenStore({ connectionString: through, pooler: 'transaction', listenConnectionString: connectionString })
    })
    const openWhenReady = async (): ReturnType<typeof open> => {
      if (through !== undefined) await untilItAnswers(through)
      return await open()
    }
    tokenContract({ test: (title, law) => t.test(title, law), open: openWhenReady })
  })
}
