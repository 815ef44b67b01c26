import type pg from 'pg'
import { isUuid } from '../../core/uuid.js'
import type { SessionRecord } from '../../session/store.js'
import type { RevocationSink } from '../../tokens/revocations.js'
import type { PresentedToken, RotationRules } from '../../tokens/rotation.js'
import type { AccessFacts, LineageRules, NewLineage, RevocationWatch, Rotation, TokenStore } from '../../tokens/store.js'
import { QUEUE_TIMES } from '../batch-sender.js'
import { RotationQueue } from '../rotation-queue.js'
import { connect, listenConfig, type PostgresStoreOptions } from './connect.js'
import { DatabaseClock } from './database-clock.js'
import { isFaultOfOne } from './faults.js'
import { type Tables, tables } from './names.js'
import { Database } from './query.js'
import { RevocationFeed } from './revocation-feed.js'
import { toRecord } from './rows.js'
import { SameDatabase } from './same-database.js'
import type { Statement } from './statement.js'
import { toRotations } from './token-rows.js'
import * as sql from './token-statements.js'

export interface PostgresTokenStoreOptions extends PostgresStoreOptions {
  /**
   * A direct connection, for LISTEN, where the other leads through a pooler in transaction mode. Without one there each
   * access token is looked up in the database. Default: connects as `pool` or `connectionString` says.
   */
  readonly listenConnectionString?: string | undefined
}

/** One that began after the statement did has given nobody a token yet. */
const NO_LINEAGE: Rotation = Object.freeze({ found: 'REVOKED', facts: null })

/**
 * Lineages of refresh tokens in PostgreSQL, beside the sessions of a `PostgresStore` with the same `schema` and `tableName`.
 *
 * One statement a method, but that rotations that are asked for at once share one. The tables must exist: see `migrate`.
 */
export class PostgresTokenStore implements TokenStore {
  readonly #database: Database
  readonly #tables: Tables
  readonly #clock = new DatabaseClock()
  /** `null`: there is no direct connection. */
  readonly #listenConfig: pg.ClientConfig | null
  /** The direct connection is another than the statements': it may lead elsewhere. */
  readonly #listensElsewhere: boolean
  readonly #release: () => Promise<void>
  readonly #feeds = new Set<RevocationFeed>()
  readonly #rotations: RotationQueue
  #closed: Promise<void> | undefined

  /** Connects with the first call, not before. @throws TypeError naming the option that is wrong */
  constructor (options: PostgresTokenStoreOptions) {
    const { pool, release, named } = connect('PostgresTokenStore', options)
    this.#listenConfig = listenConfig(options)
    this.#listensElsewhere = options.listenConnectionString !== undefined
    this.#release = release
    this.#database = new Database({ pool, named })
    this.#tables = tables(options)
    this.#rotations = new RotationQueue({
      rotate: async (token, rules, budgetMs) => theOne(await this.#judged(sql.rotateRefreshToken(this.#tables, token, rules), budgetMs)),
      rotateMany: async (tokens, rules, budgetMs) => await this.#judged(sql.rotateRefreshTokens(this.#tables, tokens, rules), budgetMs),
      isFaultOfOne
    }, QUEUE_TIMES)
  }

  async createRefreshToken (lineage: NewLineage): Promise<SessionRecord | 'taken' | null> {
    if (!isUuid(lineage.sessionId)) return null
    const [row] = await this.#database.write(sql.createRefreshToken(this.#tables, lineage))
    if (row === undefined) return null
    return row['taken'] === 't' ? 'taken' : toRecord(row)
  }

  async rotateRefreshToken (token: PresentedToken, rules: LineageRules): Promise<Rotation> {
    return isUuid(token.sessionId) ? await this.#rotations.rotate(token, rules) : NO_LINEAGE
  }

  async revokeRefreshToken (sessionId: string, reason: string): Promise<boolean> {
    if (!isUuid(sessionId)) return false
    const [row] = await this.#database.write(sql.revokeRefreshToken(this.#tables, sessionId, reason))
    return row?.['live'] === 't'
  }

  async getUserFromRefreshToken (token: PresentedToken, rules: RotationRules): Promise<Rotation> {
    if (!isUuid(token.sessionId)) return NO_LINEAGE
    const [row] = await this.#database.read(sql.getUserFromRefreshToken(this.#tables, token, rules))
    return theOne(toRotations(row))
  }

  async confirmRefreshToken (sessionId: string, generation: number): Promise<number | null> {
    if (!isUuid(sessionId)) return null
    const [row] = await this.#database.write(sql.confirmRefreshToken(this.#tables, sessionId, generation))
    return row === undefined ? null : Number(row['generation'])
  }

  async isAccessValid (access: AccessFacts): Promise<boolean> {
    return isUuid(access.sessionId) && (await this.#database.read(sql.isAccessValid(this.#tables, access))).length > 0
  }

  /** Without a direct connection the sink is told at once that the watch is broken, and nothing after that. */
  watchRevocations (sink: RevocationSink): RevocationWatch {
    if (this.#listenConfig === null || this.#closed !== undefined) {
      if (this.#closed !== undefined) sink.broken(new Error('the store is closed'))
      else sink.broken(undefined, 'there is no direct connection for LISTEN: set "listenConnectionString"')
      return { close: async () => {} }
    }
    const sameDatabase = this.#listensElsewhere ? new SameDatabase({ ask: (statement, budgetMs) => this.#database.read(statement, budgetMs) }) : undefined
    const feed = new RevocationFeed({ config: this.#listenConfig, tables: this.#tables, sink, clock: this.#clock, sameDatabase })
    this.#feeds.add(feed)
    return {
      get wholeAt () { return feed.wholeAt },
      isUnread: (sessionId) => feed.isUnread(sessionId),
      close: async () => {
        this.#feeds.delete(feed)
        await feed.close()
      }
    }
  }

  /** Learned from every heartbeat of a watch and every rotation; before the first it is the machine's. */
  now (): number {
    return this.#clock.now()
  }

  /** Ends its watches, lets what is under way finish, then ends the store's own pool; at most some seconds, whatever the server does. Idempotent. */
  close (): Promise<void> {
    this.#closed ??= Promise.all([this.#rotations.settled(), ...[...this.#feeds].map((feed) => feed.close())]).then(this.#release)
    return this.#closed
  }

  async #judged (statement: Statement, budgetMs: number): Promise<ReadonlyMap<string, Rotation>> {
    const askedAt = performance.now()
    const [row] = await this.#database.write(statement, budgetMs)
    const judged = toRotations(row)
    for (const { facts } of judged.values()) if (facts !== null) this.#clock.learn(facts.at, askedAt)
    return judged
  }
}

const theOne = (judged: ReadonlyMap<string, Rotation>): Rotation => {
  const [rotation = NO_LINEAGE] = judged.values()
  return rotation
}
