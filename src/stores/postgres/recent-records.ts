import { FifoMap } from 'toad-cache'
import type { JsonObject } from '../../session/store.js'
import { deepFreeze, isValues } from '../../session/values.js'
import { isShallow } from '../json.js'
import { RowRecord } from './row-record.js'

/** Most records: some 30 MB at the very most. */
const MOST = 10_000
/** How long a record is kept. It bounds what memory holds, and how long a transaction's number has to mean one transaction. */
const KEPT_MS = 60_000
/** Longer ones are not kept. */
const MOST_CHARACTERS = 1_024
/** Freezing goes level by level; deeper only a hand in psql can nest. */
const MOST_LEVELS = 100

/** Sessions whose last reading is remembered: a power of 16, and 4 bytes for each. */
const PLACES = 16 ** 4

/**
 * Records as they were read of late, each with the transaction that wrote its row: the server is asked for every session each
 * time, and need not say again what it has said.
 *
 * A record is kept when its row was the same twice: what is written with every request would only be collected as garbage,
 * and late. The number of a transaction belongs to one server: with every connection that is made, for it may lead to
 * another, all is forgotten.
 */
export class RecentRecords {
  readonly #kept: FifoMap<RowRecord> | null
  #era = 0
  /** Who had written the row that was read last of the sessions whose ids begin alike. A guess: it decides what is worth keeping. */
  readonly #lastWriters = new Uint32Array(PLACES)

  /** @param isOn `false`: nothing is kept, because nobody knows which server a connection leads to */
  constructor (isOn: boolean) {
    this.#kept = isOn ? new FifoMap(MOST, KEPT_MS) : null
  }

  /** What was kept in this era, that of `Database.era`; an earlier one is over. */
  find (id: string, era: number): RowRecord | null {
    if (era !== this.#era) {
      this.#era = era
      this.#kept?.clear()
    }
    return this.#kept?.get(id) ?? null
  }

  /**
   * Takes note of a record that nobody has yet, of so many characters of JSON, about, that was asked for in an era; returns
   * what is to be shared. Of what is kept values and claims are frozen.
   */
  note (record: RowRecord, characters: number, era: number): RowRecord {
    if (this.#kept === null || characters > MOST_CHARACTERS || era !== this.#era) return record
    const writer = Number(RowRecord.writerOf(record))
    const place = Number.parseInt(record.id.slice(0, 4), 16)
    if (this.#lastWriters[place] !== writer) {
      this.#lastWriters[place] = writer
      return record
    }
    const { values, claims } = record
    if (!isValues(values) || !isShallow(values, MOST_LEVELS) || !isShallow(claims as JsonObject, MOST_LEVELS)) return record
    deepFreeze(values)
    deepFreeze(claims as JsonObject)
    const kept = record.detached()
    this.#kept.set(kept.id, kept)
    return kept
  }
}
