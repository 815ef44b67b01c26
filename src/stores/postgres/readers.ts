import type { SaveNews, SessionRecord } from '../../session/store.js'
import type { Reader } from '../bulk-store.js'
import { copyRecord } from '../copy-record.js'
import { copyJson, isShallow } from '../json.js'
import type { RowRecord } from './row-record.js'
import { type LoadedRow, type NewsRow, recordFrom, type RecordRow, type Row, type Seconds, text, toDate } from './rows.js'

/** What is made of the answer to a statement on sessions of which some are known. */
export interface Reading {
  /** By their place in the statement; `undefined`: not what the server may have compared with. */
  readonly known: ReadonlyArray<RowRecord | null> | undefined
  /** Takes note of a record that was read; gives what is to be shared. */
  note (record: RowRecord): RowRecord
}

/** The record that `get` selects, for who changes nothing of it; `undefined`: it says no more than that the row is as something else was. */
export function toView (row: Row | undefined, { known, note }: Reading): SessionRecord | null | undefined {
  if (row === undefined) return null
  const found = JSON.parse(text(row, 'record')) as LoadedRow | readonly [readAt: Seconds]
  return isSame(found) ? known?.[0]?.readAgain(toDate(found[0])) : note(recordFrom(found))
}

const isSame = (found: LoadedRow | readonly [readAt: Seconds]): found is readonly [readAt: Seconds] => found.length === 1

/** By id, what gives the records that `getMany` selects; `undefined`: of one it says no more than that the row is as something else was. */
export function toReaders (row: Row | undefined, { known, note }: Reading): ReadonlyMap<string, Reader> | undefined {
  const readers = new Map<string, Reader>()
  if (row === undefined) return readers
  const records = row['records'] ?? '[]'
  const readAt = toDate(text(row, 'read_at'))
  for (const [at, record] of (JSON.parse(records) as ReadonlyArray<LoadedRow | number>).entries()) {
    if (typeof record !== 'number') {
      readers.set(record[0], new RowReader(new Copies(record, records, at), note))
      continue
    }
    const same = known?.[record - 1] ?? null
    if (same === null) return undefined
    readers.set(same.id, new KnownReader(same, readAt))
  }
  return readers
}

/** By id, what gives each caller the record that `saveOf` selects, or the news. */
export function toSaves (row: Row | undefined): ReadonlyMap<string, () => SessionRecord | SaveNews> {
  const records = row?.['records'] ?? '[]'
  const found = JSON.parse(records) as ReadonlyArray<RecordRow | NewsRow>
  return new Map(found.map((record, at): [string, () => SessionRecord | SaveNews] => {
    if (isNews(record)) return [record[0], () => newsFrom(record)]
    const copies = new Copies(record, records, at)
    return [record[0], () => recordFrom(copies.next())]
  }))
}

const isNews = (record: RecordRow | NewsRow): record is NewsRow => record.length === 3

const newsFrom = ([, at, expiresAt]: NewsRow): SaveNews => ({ savedAt: toDate(at), expiresAt: toDate(expiresAt) })

/** Gives what stands at one place of the text of many, and further copies of it; one that cannot be copied is read anew. */
class Copies<R extends RecordRow | LoadedRow> {
  readonly #row: R
  readonly #rows: string
  readonly #at: number
  #isGiven = false

  constructor (row: R, rows: string, at: number) {
    this.#row = row
    this.#rows = rows
    this.#at = at
  }

  next (): R {
    if (!this.#isGiven) {
      this.#isGiven = true
      return this.#row
    }
    return isShallow(this.#row) ? copyJson(this.#row) as R : (JSON.parse(this.#rows) as R[])[this.#at] ?? this.#row
  }
}

/** Of a row that came whole. */
class RowReader implements Reader {
  readonly #copies: Copies<LoadedRow>
  readonly #note: Reading['note']
  #shared: SessionRecord | null = null

  constructor (copies: Copies<LoadedRow>, note: Reading['note']) {
    this.#copies = copies
    this.#note = note
  }

  copy (): RowRecord { return recordFrom(this.#copies.next()) }

  view (): SessionRecord {
    this.#shared ??= this.#note(this.copy())
    return this.#shared
  }
}

/** Of a row that is as it was known. */
class KnownReader implements Reader {
  readonly #known: RowRecord
  readonly #readAt: Date

  constructor (known: RowRecord, readAt: Date) {
    this.#known = known
    this.#readAt = readAt
  }

  copy (): SessionRecord { return copyRecord(this.view()) }

  view (): SessionRecord { return this.#known.readAgain(this.#readAt) }
}
