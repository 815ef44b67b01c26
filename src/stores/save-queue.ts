import { isEmptyPatch } from '../session/patch.js'
import type { PlainChange, SaveNews, SessionRecord } from '../session/store.js'
import { areNear, type Caller, left, type QueueTimes } from './batch-sender.js'
import type { BulkStore, SaveEntry } from './bulk-store.js'
import { type Claim, ClaimQueue } from './claim-queue.js'

type Answer = SessionRecord | SaveNews | null

/** What one caller asked for. */
interface Part extends Caller<Answer> {
  readonly change: PlainChange
  /** The session as this caller knows it: the news of it are answer enough. */
  readonly seen: SessionRecord | undefined
}

/** The changes of one session that go out as one: all under the same secret, asked for at about the same time, in the order in which they came. */
interface Entry extends Claim {
  readonly secretHash: Uint8Array
  readonly parts: Part[]
}

/** Saves that wait for the next batch; those of one session that came at about the same time are one. */
export class SaveQueue {
  readonly #deadlineMs: number
  readonly #queue: ClaimQueue<Entry>

  constructor (store: BulkStore, times: QueueTimes) {
    this.#deadlineMs = times.deadlineMs
    this.#queue = new ClaimQueue<Entry>({
      kind: 'save',
      isLone: ({ parts }) => parts.length === 1,
      canShare: () => true,
      async sendTogether (batch, budgetMs) {
        const saved = await store.saveMany(batch.map(merged), budgetMs)
        return batch.filter(({ id, parts }) => {
          const read = saved.get(id)
          if (read !== undefined) for (const part of parts) part.resolve(read())
          return read === undefined
        })
      },
      // one part after the other, so that only the guilty one fails
      async sendAlone ({ id, secretHash, parts, since }) {
        for (const { change, resolve, reject } of parts) {
          await store.save(id, secretHash, change, left(times.deadlineMs, since)).then(resolve, reject)
        }
      },
      isFaultOfOne: (error) => store.isFaultOfOne(error)
    }, times)
  }

  save (id: string, secretHash: Uint8Array, change: PlainChange): Promise<SessionRecord | null>
  /** @param seen the record of the session, by whose caller news are understood */
  save (id: string, secretHash: Uint8Array, change: PlainChange, seen: SessionRecord): Promise<Answer>
  save (id: string, secretHash: Uint8Array, change: PlainChange, seen?: SessionRecord): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const part = { change: copyOf(change), seen, resolve, reject }
      const last = this.#queue.last(id)
      const since = performance.now()
      if (last !== undefined && Buffer.compare(last.secretHash, secretHash) === 0 && areNear(this.#deadlineMs, last.since, since)) last.parts.push(part)
      else this.#queue.add(entryOf(id, secretHash, part, since))
    })
  }

  settled (): Promise<void> {
    return this.#queue.settled()
  }
}

function entryOf (id: string, secretHash: Uint8Array, part: Part, since: number): Entry {
  const parts = [part]
  return { id, secretHash: Buffer.from(secretHash), parts, since, fail: (error) => { for (const part of parts) part.reject(error) } }
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
