import { isEmptyPatch } from '../session/patch.js'
import type { PlainChange, SaveNews, SessionRecord } from '../session/store.js'
import { areNear, batchLimit, BatchSender, type Caller, left, type QueueTimes } from './batch-sender.js'
import type { BulkStore, SaveEntry } from './bulk-store.js'
import { tellBatch } from './measures.js'

/** Commits share the disk: what gathers behind one costs less than another beside it. A lone save that waits for a lock counts for as long as a slow batch, 10 ms. */
const AT_ONCE = 1

type Answer = SessionRecord | SaveNews | null

/** What one caller asked for. */
interface Part extends Caller<Answer> {
  readonly change: PlainChange
  /** The session as this caller knows it: the news of it are answer enough. */
  readonly seen: SessionRecord | undefined
}

/** The changes of one session that go out as one: all under the same secret, asked for at about the same time, in the order in which they came. */
interface Entry {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly parts: Part[]
  readonly since: number
}

/**
 * Saves that wait for the next batch. A batch holds an id once, and an id is in one batch at a time.
 *
 * What a batch did not save, because it is locked, gone or too large, is saved alone: only that decides.
 */
export class SaveQueue {
  readonly #store: BulkStore
  readonly #deadlineMs: number
  readonly #sender: BatchSender<readonly Entry[]>
  /** By id, in order: only the last entry still takes parts. */
  readonly #waiting = new Map<string, Entry[]>()
  readonly #underWay = new Set<string>()

  constructor (store: BulkStore, { deadlineMs, slowMs }: QueueTimes) {
    this.#store = store
    this.#deadlineMs = deadlineMs
    this.#sender = new BatchSender({ atOnce: AT_ONCE, slowMs, take: () => this.#take(), send: (batch, answered) => this.#send(batch, answered) })
  }

  save (id: string, secretHash: Uint8Array, change: PlainChange): Promise<SessionRecord | null>
  /** @param seen the record of the session, by whose caller news are understood */
  save (id: string, secretHash: Uint8Array, change: PlainChange, seen: SessionRecord): Promise<Answer>
  save (id: string, secretHash: Uint8Array, change: PlainChange, seen?: SessionRecord): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const part = { change: copyOf(change), seen, resolve, reject }
      const entries = this.#waiting.get(id) ?? []
      const last = entries.at(-1)
      const since = performance.now()
      if (last !== undefined && Buffer.compare(last.secretHash, secretHash) === 0 && areNear(this.#deadlineMs, last.since, since)) last.parts.push(part)
      else entries.push({ id, secretHash: Buffer.from(secretHash), parts: [part], since })
      this.#waiting.set(id, entries)
      this.#sender.wake()
    })
  }

  settled (): Promise<void> {
    return this.#sender.settled()
  }

  #take (): readonly Entry[] | null {
    const batch: Entry[] = []
    const most = batchLimit(this.#waiting.size + this.#underWay.size)
    for (const [id, entries] of this.#waiting) {
      if (batch.length === most) break
      const [entry] = entries
      if (entry === undefined || this.#underWay.has(id) || !areNear(this.#deadlineMs, batch[0]?.since ?? entry.since, entry.since)) continue
      entries.shift()
      this.#waiting.delete(id)
      if (entries.length > 0) this.#waiting.set(id, entries) // behind the others
      this.#underWay.add(id)
      batch.push(entry)
    }
    return batch.length === 0 ? null : batch
  }

  async #send (batch: readonly Entry[], answered: () => void): Promise<void> {
    tellBatch('save', batch.length)
    const [lone] = batch
    const unsaved = batch.length === 1 && lone?.parts.length === 1 ? batch : await this.#saveTogether(batch)
    if (unsaved !== batch) answered()
    await Promise.all(unsaved.map((entry) => this.#saveAlone(entry)))
  }

  /** Answers those that could be saved, and resolves to the others. */
  async #saveTogether (batch: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      const saved = await this.#store.saveMany(batch.map(merged), left(this.#deadlineMs, Math.min(...batch.map(({ since }) => since))))
      return batch.filter((entry) => {
        const read = saved.get(entry.id)
        if (read === undefined) return true
        this.#underWay.delete(entry.id)
        for (const part of entry.parts) part.resolve(read())
        return false
      })
    } catch (error) {
      if (this.#store.isFaultOfOne(error)) return [...batch]
      for (const { id, parts } of batch) {
        this.#underWay.delete(id)
        for (const part of parts) part.reject(error)
      }
      return []
    }
  }

  /** Saves one part after the other, so that only the guilty one fails. */
  async #saveAlone ({ id, secretHash, parts, since }: Entry): Promise<void> {
    for (const { change, resolve, reject } of parts) {
      await this.#store.save(id, secretHash, change, left(this.#deadlineMs, since)).then(resolve, reject)
    }
    this.#underWay.delete(id)
    this.#sender.wake()
  }
}

/** What the caller does with its objects afterwards changes nothing. */
function copyOf ({ set, unset, idleSeconds }: PlainChange): PlainChange {
  return { set: { ...set }, unset: [...unset], idleSeconds }
}

/** The parts as one change: of each key, the last word counts. */
function merged ({ id, secretHash, parts }: Entry): SaveEntry {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return { id, secretHash, change: only.change, changes: isEmptyPatch(only.change) ? 0 : 1, seen: only.seen }
  const set = new Map<string, PlainChange['set'][string]>()
  const unset = new Set<string>()
  let idleSeconds = 0
  let changes = 0
  for (const { change } of parts) {
    if (!isEmptyPatch(change)) changes++
    for (const key of change.unset) {
      set.delete(key)
      unset.add(key)
    }
    for (const [key, value] of Object.entries(change.set)) {
      unset.delete(key)
      set.set(key, value)
    }
    idleSeconds = change.idleSeconds
  }
  return { id, secretHash, change: { set: Object.fromEntries(set), unset: [...unset], idleSeconds }, changes }
}
