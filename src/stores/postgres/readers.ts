import type { SaveNews, SessionRecord } from '../../session/store.js'
import type { Reader } from '../bulk-store.js'
import { copyRecord } from '../copy-record.js'
import { copyJson, isShallow } from '../json.js'
import type { RowRecord } from './row-record.js'
import { type LoadedRow, type NewsRow, recordFrom, type RecordRow, type Row, type Seconds, text, toDate } from './rows.js'

/** What takes note of a record that was read, of so many characters of JSON; gives what is to be shared. */
export type Note = (record: RowRecord, characters: number) => RowRecord

/** The record that `get` selects, for who changes nothing of it. @param known what the statement was told of */
export function toView (row: Row, known: RowRecord | null, note: Note): SessionRecord {
  const record = text(row, 'record')
  const found = JSON.parse(record) as LoadedRow | readonly [readAt: Seconds]
  if (!isSame(found)) return note(recordFrom(found), record.length)
  if (known === null) throw new TypeError('the statement was told of no record')
  return known.readAgain(toDate(found[0]))
}

const isSame = (found: LoadedRow | readonly [readAt: Seconds]): found is readonly [readAt: Seconds] => found.length === 1

/** By id, what gives the records that `getMany` selects. @param known what the statement was told of, in its order */
export function toReaders (row: Row | undefined, known: ReadonlyArray<RowRecord | null>, note: Note): ReadonlyMap<string, Reader> {
  const readers = new Map<string, Reader>()
  if (row === undefined) return readers
  const records = row['records'] ?? '[]'
  const found = JSON.parse(records) as ReadonlyArray<LoadedRow | number>
  const readAt = toDate(text(row, 'read_at'))
  for (const [at, record] of found.entries()) {
    if (typeof record !== 'number') {
      readers.set(record[0], new RowReader(new Copies(record, records, at), note, records.length / found.length))
      continue
    }
    const same = known[record - 1]
    if (same != null) readers.set(same.id, new KnownReader(same, readAt))
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

/** Nested deeper, as only a hand in psql can, a row is read anew: copying goes level by level. */
const MOST_LEVELS = 100

/** Gives what stands at one place of the text of many, and further copies of it. */
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
    return isShallow(this.#row, MOST_LEVELS) ? copyJson(this.#row) as R : (JSON.parse(this.#rows) as R[])[this.#at] ?? this.#row
  }
}

/** Of a row that came whole. */
class RowReader implements Reader {
  readonly #copies: Copies<LoadedRow>
  readonly #note: Note
  readonly #characters: number
  #shared: SessionRecord | null = null

  /** @param characters of the row, about */
  constructor (copies: Copies<LoadedRow>, note: Note, characters: number) {
    this.#copies = copies
    this.#note = note
    this.#characters = characters
  }

  copy (): RowRecord { return recordFrom(this.#copies.next()) }

  view (): SessionRecord {
    this.#shared ??= this.#note(this.copy(), this.#characters)
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
