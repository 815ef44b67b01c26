import type { SessionRecord } from '../session/store.js'
import { areNear, batchLimit, BatchSender, type Caller, left, type QueueTimes } from './batch-sender.js'
import type { BulkStore, Reader } from './bulk-store.js'
import { tellBatch } from './measures.js'

/** With one, a load waits for half a round trip under light load; with four, batches are too small under heavy load. */
const AT_ONCE = 2

/** Somebody who waits for a session: for a record of their own, or to look at it. */
interface Viewer extends Caller<SessionRecord | null> {
  readonly use: keyof Reader
}

interface Load {
  readonly callers: Viewer[]
  readonly since: number
}
type Batch = ReadonlyArray<readonly [id: string, load: Load]>

/** Loads that wait for the next batch. Each id is asked for once. */
export class LoadQueue {
  readonly #store: BulkStore
  readonly #deadlineMs: number
  readonly #sender: BatchSender<Batch>
  #waiting = new Map<string, Load>()
  #underWay = 0

  constructor (store: BulkStore, { deadlineMs, slowMs }: QueueTimes) {
    this.#store = store
    this.#deadlineMs = deadlineMs
    this.#sender = new BatchSender({ atOnce: AT_ONCE, slowMs, take: () => this.#take(), send: (batch, answered) => this.#send(batch, answered) })
  }

  get (id: string, use: keyof Reader): Promise<SessionRecord | null> {
    return new Promise((resolve, reject) => {
      const load = this.#waiting.get(id)
      if (load === undefined) this.#waiting.set(id, { callers: [{ use, resolve, reject }], since: performance.now() })
      else load.callers.push({ use, resolve, reject })
      this.#sender.wake()
    })
  }

  settled (): Promise<void> {
    return this.#sender.settled()
  }

  #take (): Batch | null {
    const waiting = [...this.#waiting] // the oldest first
    const [[, oldest] = []] = waiting
    if (oldest === undefined) return null
    const next = waiting.slice(0, batchLimit(waiting.length + this.#underWay))
    const batch = next.filter(([, { since }]) => areNear(this.#deadlineMs, oldest.since, since))
    this.#waiting = new Map(waiting.slice(batch.length))
    this.#underWay += batch.length
    return batch
  }

  async #send (batch: Batch, answered: () => void): Promise<void> {
    tellBatch('load', batch.length)
    const [[id, load] = []] = batch
    if (id === undefined || load === undefined) return
    if (batch.length === 1 && load.callers.length === 1) {
      const [caller] = load.callers
      const budgetMs = left(this.#deadlineMs, load.since)
      await (caller?.use === 'view' ? this.#store.view(id, budgetMs) : this.#store.get(id, budgetMs)).then(caller?.resolve, caller?.reject)
    } else await this.#sendTogether(batch, load.since, answered)
    this.#underWay -= batch.length
  }

  /** @param since when the oldest of it was asked for, which is the first */
  async #sendTogether (batch: Batch, since: number, answered: () => void): Promise<void> {
    try {
      const found = await this.#store.getMany(batch.map(([id]) => id), left(this.#deadlineMs, since))
      answered()
      for (const [id, { callers }] of batch) {
        const read = found.get(id)
        for (const { use, resolve } of callers) resolve(read === undefined ? null : use === 'view' ? read.view() : read.copy())
      }
    } catch (error) {
      for (const [, { callers }] of batch) {
        for (const caller of callers) caller.reject(error)
      }
    }
  }
}
