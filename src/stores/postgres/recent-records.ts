import { FifoMap } from 'toad-cache'
import type { JsonObject } from '../../session/store.js'
import { deepFreeze, isValues } from '../../session/values.js'
import { weightOf } from '../json.js'
import { RowRecord } from './row-record.js'

/** Most records: some 20 MB as sessions are, 100 MB at worst. */
const MOST = 10_000
/** How long a record is kept at most. It bounds what memory holds, and how long a transaction's number has to mean one transaction. */
const KEPT_MS = 60_000
/** Bytes of memory that values and claims may take, about: larger ones are not kept. */
const MOST_BYTES = 4_096
/** Sessions whose last reading is remembered: a power of 16, and 4 bytes for each. */
const PLACES = 16 ** 4
/** Sets apart a transaction whose row is too large: it is not to be measured again. */
const LARGE = 2 ** 31

/**
 * Records as they were read of late, each with the transaction that wrote its row: the server is asked for every session each
 * time, and need not say again what it has said.
 *
 * A record is kept when its row was the same twice: what is written with every request would only be collected as garbage,
 * and late. The number of a transaction belongs to one server: with every connection that is made, for it may lead to
 * another, all is forgotten. So it is once a minute.
 */
export class RecentRecords {
  readonly #kept = new FifoMap<RowRecord>(MOST)
  readonly #keptMs: number
  /** Who had written the row that was read last of the sessions whose ids begin alike. A guess: it decides what is worth keeping. */
  readonly #lastWriters = new Uint32Array(PLACES)
  #era = 0
  #timer: NodeJS.Timeout | undefined

  constructor (keptMs = KEPT_MS) {
    this.#keptMs = keptMs
  }

  /** What was kept in this era, that of `Database.era`; an earlier one is over. */
  find (id: string, era: number): RowRecord | null {
    if (era !== this.#era) {
      this.#era = era
      this.clear()
    }
    return this.#kept.get(id) ?? null
  }

  /** Takes note of a record that nobody has yet, that was asked for in an era; returns what is to be shared. Of what is kept values and claims are frozen. */
  note (record: RowRecord, era: number): RowRecord {
    const writer = Number(RowRecord.writerOf(record))
    if (writer === 0 || era !== this.#era) return record
    const place = Number.parseInt(record.id.slice(0, 4), 16)
    const last = this.#lastWriters[place]
    if (last === (writer ^ LARGE) >>> 0) return record
    const isSame = last === writer
    if (isSame && isUsual(record)) return this.#keep(record)
    this.#lastWriters[place] = isSame ? writer ^ LARGE : writer
    this.#kept.delete(record.id) // another row's: to ask by it would cost the server more than not to ask
    return record
  }

  /** Forgets all records. */
  clear (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#kept.clear()
  }

  #keep (record: RowRecord): RowRecord {
    const kept = record.detached()
    deepFreeze(kept.values)
    deepFreeze(kept.claims as JsonObject)
    this.#timer ??= setTimeout(() => { this.clear() }, this.#keptMs).unref()
    this.#kept.set(kept.id, kept)
    return kept
  }
}

/** Whether its size is that of most. */
function isUsual ({ values, claims }: RowRecord): boolean {
  return isValues(values) && weightOf(values, MOST_BYTES) + weightOf(claims as JsonObject, MOST_BYTES) <= MOST_BYTES
}
