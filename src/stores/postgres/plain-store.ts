import { isIP } from 'node:net'
import { SessionTooLargeError, StoreError } from '../../core/errors.js'
import { isUuid } from '../../core/uuid.js'
import { isEmptyPatch } from '../../session/patch.js'
import type { Claims, CleanupOptions, CreatedRecord, NewSession, SaveNews, SessionChange, SessionRecord } from '../../session/store.js'
import { left } from '../batch-sender.js'
import type { BulkStore, Reader, SaveEntry } from '../bulk-store.js'
import * as bulk from './bulk-statements.js'
import { cleanup } from './cleanup.js'
import { codeOf, isFaultOfOne } from './faults.js'
import type { Tables } from './names.js'
import type { Database } from './query.js'
import { type Reading, toReaders, toSaves, toView } from './readers.js'
import type { RecentRecords } from './recent-records.js'
import type { RowRecord } from './row-record.js'
import { type Row, toRecord } from './rows.js'
import type { Statement } from './statement.js'
import * as sql from './statements.js'

/** Sessions in PostgreSQL: one plain statement a method. Closes nothing. */
export class PlainPostgresStore implements BulkStore {
  readonly #database: Database
  readonly #tables: Tables
  readonly #recent: RecentRecords | null

  /** @param recent what the server need not tell again; `null`, the default: nothing is kept */
  constructor (database: Database, tables: Tables, recent: RecentRecords | null = null) {
    this.#database = database
    this.#tables = tables
    this.#recent = recent
  }

  async create (session: NewSession): Promise<CreatedRecord> {
    const { userId, atMost } = session
    const create = sql.create(this.#tables, session, address(session.clientIp))
    const { row, evicted = [] } = userId === null || atMost === undefined
      ? { row: (await this.#database.write(create))[0] }
      : await this.#createWithin(create, sql.evict(this.#tables, userId, session.id, atMost - 1))
    const record = written(row)
    if (record === null) throw new StoreError('create', new Error('no row came back'))
    return { ...record, ...(evicted.length > 0 && { evicted }), ...(row?.['replaced'] === 't' && { replaced: true }) }
  }

  async get (id: string, budgetMs?: number): Promise<SessionRecord | null> {
    if (!isUuid(id)) return null
    const [row] = await this.#database.read(sql.get(this.#tables, id), budgetMs)
    return row === undefined ? null : toRecord(row)
  }

  /** Asks for no more than whether the session lives and is as it was, where it was viewed of late. */
  async view (id: string, budgetMs?: number): Promise<SessionRecord | null> {
    return await this.#readUnlessKnown([id], budgetMs, (_ids, [known = null]) => sql.get(this.#tables, id, known), toView)
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange, budgetMs?: number): Promise<SessionRecord | null> {
    if (!isUuid(id)) return null
    if (isSlide(change)) {
      const [row] = await this.#database.write(sql.slide(this.#tables, id, secretHash, change.idleSeconds), budgetMs)
      return row === undefined ? null : toRecord(row)
    }
    return written(await this.#change(id, secretHash, change, null, budgetMs))
  }

  async delete (id: string, secretHash?: Uint8Array): Promise<boolean> {
    if (!isUuid(id)) return false
    const [row] = await this.#database.write(sql.remove(this.#tables, id, secretHash ?? null))
    return row?.['live'] === 't'
  }

  async cleanup (options?: CleanupOptions): Promise<number> {
    return await cleanup(this.#database, this.#tables, options)
  }

  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    if (!isUuid(id)) return null
    const row = await this.#change(id, secretHash, change, version)
    return row?.['conflict'] === 't' ? 'conflict' : written(row)
  }

  async listByUser (userId: string): Promise<SessionRecord[]> {
    const rows = await this.#database.read(sql.listByUser(this.#tables, userId))
    return rows.map(toRecord)
  }

  async deleteByUser (userId: string, options: { readonly except?: string } = {}): Promise<string[]> {
    const except = options.except !== undefined && isUuid(options.except) ? options.except : null
    const rows = await this.#database.transaction('deleteByUser', async (send) => {
      await send(sql.lockUser(this.#tables, userId))
      return await send(sql.deleteByUser(this.#tables, userId, except))
    })
    return rows.filter((row) => row['live'] === 't').map((row) => String(row['id']))
  }

  async block (id: string, reason: string): Promise<boolean> {
    return isUuid(id) && (await this.#database.write(sql.block(this.#tables, id, reason))).length > 0
  }

  async unblock (id: string): Promise<boolean> {
    return isUuid(id) && (await this.#database.write(sql.unblock(this.#tables, id))).length > 0
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    return await this.#database.transaction('setClaims', async (send) => {
      await send(sql.lockUser(this.#tables, userId))
      return (await send(sql.setClaims(this.#tables, userId, claims))).length
    })
  }

  async close (): Promise<void> { this.#recent?.clear() }

  // – for batches –

  async getMany (ids: readonly string[], budgetMs?: number): Promise<ReadonlyMap<string, Reader>> {
    return await this.#readUnlessKnown(ids, budgetMs, (ids, known) => sql.getMany(this.#tables, ids, known), toReaders)
  }

  async saveMany (entries: readonly SaveEntry[], budgetMs?: number): Promise<ReadonlyMap<string, () => SessionRecord | SaveNews>> {
    const known = entries.filter(({ id }) => isUuid(id))
    if (known.length === 0) return new Map()
    return toSaves((await this.#database.write(bulk.saveMany(this.#tables, known), budgetMs))[0])
  }

  isFaultOfOne (error: unknown): boolean {
    return isFaultOfOne(error)
  }

  /**
   * Reads of these sessions what is not known. Where a connection was made meanwhile, another server may have said that a row
   * is as one was: then all is read. Texts that are no id lead to no session.
   */
  async #readUnlessKnown<T> (
    given: readonly string[],
    budgetMs = this.#database.deadlineMs,
    statement: (ids: readonly string[], known: ReadonlyArray<RowRecord | null>) => Statement,
    answer: (row: Row | undefined, reading: Reading) => T | undefined
  ): Promise<T> {
    const startedAt = performance.now()
    const { era } = this.#database
    const note = (record: RowRecord): RowRecord => this.#recent?.note(record, era) ?? record
    const ids: string[] = []
    const known: Array<RowRecord | null> = []
    for (const id of given) {
      const record = this.#recent?.find(id, era) ?? null
      if (record === null && !isUuid(id)) continue
      ids.push(id)
      known.push(record)
    }
    const [row] = ids.length === 0 ? [] : await this.#database.read(statement(ids, known), budgetMs)
    const found = answer(row, { known: era === this.#database.era ? known : undefined, note })
    if (found !== undefined) return found
    const [whole] = await this.#database.read(statement(ids, []), left(budgetMs, startedAt))
    const all = answer(whole, { known: undefined, note })
    if (all === undefined) throw new TypeError('a session was known to a statement that was told of none') // cannot be
    return all
  }

  async #createWithin (create: Statement, evict: Statement): Promise<{ readonly row: Row | undefined, readonly evicted: readonly string[] }> {
    return await this.#database.transaction('create', async (send) => {
      const [row] = await send(create)
      const evicted = row?.['too_large'] === 'f' ? await send(evict) : []
      return { row, evicted: evicted.map(({ id }) => String(id)) }
    })
  }

  async #change (id: string, secretHash: Uint8Array, change: SessionChange, version: number | null, budgetMs?: number): Promise<Row | undefined> {
    const { renew } = change
    const send = async (statement: Statement): Promise<Row[]> => change.maxAge === undefined
      ? await this.#database.write(statement, budgetMs)
      : await this.#locked(id, statement, budgetMs)
    if (renew === undefined) return (await send(sql.save(this.#tables, id, secretHash, change, version)))[0]
    const statement = sql.renew(this.#tables, id, secretHash, { ...change, renew }, version)
    const rows = await send(statement).catch(async (error: unknown) => {
      if (!isNamedByTokens(error)) throw error
      return await send(statement)
    })
    return rows[0]
  }

  /** Runs a statement on a session that nobody else changes meanwhile: it must see whether tokens name it. */
  async #locked (id: string, statement: Statement, budgetMs: number | undefined): Promise<Row[]> {
    return await this.#database.transaction(statement.label, async (send) => {
      await send(sql.lock(this.#tables, id))
      return await send(statement)
    }, { ...(budgetMs !== undefined && { budgetMs }) })
  }
}

/** The id was not changed: a lineage began since the statement did, and names it. */
function isNamedByTokens (error: unknown): boolean {
  return error instanceof StoreError && codeOf(error.cause) === '23503'
}

/** A change of the time columns alone. */
function isSlide (change: SessionChange): boolean {
  return change.renew === undefined && change.maxAge === undefined && isEmptyPatch(change)
}

/** @throws SessionTooLargeError when the statement wrote nothing for that */
function written (row: Row | undefined): SessionRecord | null {
  if (row?.['too_large'] === 't') throw new SessionTooLargeError()
  return row === undefined ? null : toRecord(row)
}

/** The address as PostgreSQL takes it, without a zone; what a proxy made up is left out, for it must not stop a sign-in. */
function address (clientIp: string | null): string | null {
  const plain = clientIp?.split('%')[0] ?? ''
  return isIP(plain) === 0 ? null : plain
}
