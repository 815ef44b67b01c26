/** What the tests of the PostgreSQL store of tokens share. */

import type { Test } from 'tap'
import type { SessionRecord } from '../../src/session/store.js'
import { PostgresTokenStore, type PostgresTokenStoreOptions } from '../../src/stores/postgres/token-store.js'
import { begun, newLineage } from '../../src/testing/token-fixtures.js'
import { newSession, postgresStore, type StoreOnPostgres } from './pg-store.js'

export interface TokensOnPostgres extends StoreOnPostgres {
  /** Closed after the test. */
  readonly tokens: PostgresTokenStore
  /** Another store on the database, as another process would have; closed after the test. */
  openTokens (options?: PostgresTokenStoreOptions): PostgresTokenStore
  /** Signs Ada in, and begins a lineage. */
  signIn (): Promise<SessionRecord>
}

/** A database with the tables, a store of sessions and one of tokens. */
export async function postgresTokens (t: Test): Promise<TokensOnPostgres> {
  const database = await postgresStore(t)
  const openTokens = (options: PostgresTokenStoreOptions = { connectionString: database.connectionString }): PostgresTokenStore => {
    const tokens = new PostgresTokenStore(options)
    t.teardown(() => tokens.close())
    return tokens
  }
  const tokens = openTokens()
  return {
    ...database,
    tokens,
    openTokens,
    async signIn () {
      const { id } = await database.store.create(newSession({ userId: 'ada' }))
      return begun(await tokens.createRefreshToken(newLineage(id)))
    }
  }
}

export { access, answered, begun, hashOf, issue, newLineage, refused, rotate, RULES, Told, tokenOf } from '../../src/testing/token-fixtures.js'
