import type { PresentedToken } from '../tokens/rotation.js'
import type { LineageRules, Rotation } from '../tokens/store.js'
import { areNear, batchLimit, BatchSender, type Caller, left, type QueueTimes } from './batch-sender.js'
import { tellBatch } from './measures.js'

/** Commits share the disk, and a lone rotation that waits for a lock counts, as with saves. */
const AT_ONCE = 1

/** What can judge presented tokens one at a time, and many in one round trip. `budgetMs`: what is left of the time that the caller was promised. */
export interface BulkRotations {
  rotate (token: PresentedToken, rules: LineageRules, budgetMs: number): Promise<Rotation>
  /**
   * Judges what it can without waiting for anybody, each session once; by session. Of one that is not in the answer nothing
   * was changed, and only `rotate` tells what it is.
   */
  rotateMany (tokens: readonly PresentedToken[], rules: LineageRules, budgetMs: number): Promise<ReadonlyMap<string, Rotation>>
  /** Whether a batch failed for what one of its tokens held or met, so that the others can succeed without it. */
  isFaultOfOne (error: unknown): boolean
}

/** What one caller asked for. */
interface Entry extends Caller<Rotation> {
  readonly sessionId: string
  readonly token: PresentedToken
  readonly rules: LineageRules
  readonly since: number
}

/**
 * Rotations that wait for the next batch. A batch holds tokens of the same rules, and one of a session at most: the next of
 * a session is judged when the one before it is done.
 *
 * What a batch did not judge, because it is locked, gone or refused by the database, is judged alone: only that decides.
 */
export class RotationQueue {
  readonly #rotations: BulkRotations
  readonly #deadlineMs: number
  readonly #sender: BatchSender<readonly Entry[]>
  /** By session, in order. */
  readonly #waiting = new Map<string, Entry[]>()
  readonly #underWay = new Set<string>()

  constructor (rotations: BulkRotations, { deadlineMs, slowMs }: QueueTimes) {
    this.#rotations = rotations
    this.#deadlineMs = deadlineMs
    this.#sender = new BatchSender({ atOnce: AT_ONCE, slowMs, take: () => this.#take(), send: (batch, answered) => this.#send(batch, answered) })
  }

  rotate (token: PresentedToken, rules: LineageRules): Promise<Rotation> {
    const { sessionId } = token
    return new Promise((resolve, reject) => {
      const entries = this.#waiting.get(sessionId) ?? []
      entries.push({ sessionId, token: { ...token }, rules: { ...rules }, since: performance.now(), resolve, reject })
      this.#waiting.set(sessionId, entries)
      this.#sender.wake()
    })
  }

  settled (): Promise<void> {
    return this.#sender.settled()
  }

  #take (): readonly Entry[] | null {
    const batch: Entry[] = []
    const most = batchLimit(this.#waiting.size + this.#underWay.size)
    for (const [sessionId, entries] of this.#waiting) {
      if (batch.length === most) break
      const [entry] = entries
      if (entry === undefined || this.#underWay.has(sessionId) || !this.#goTogether(batch[0] ?? entry, entry)) continue
      entries.shift()
      this.#waiting.delete(sessionId)
      if (entries.length > 0) this.#waiting.set(sessionId, entries) // behind the others
      this.#underWay.add(sessionId)
      batch.push(entry)
    }
    return batch.length === 0 ? null : batch
  }

  #goTogether (a: Entry, b: Entry): boolean {
    return isSame(a.rules, b.rules) && areNear(this.#deadlineMs, a.since, b.since)
  }

  async #send (batch: readonly Entry[], answered: () => void): Promise<void> {
    tellBatch('rotate', batch.length)
    const [first] = batch
    const unjudged = first === undefined || batch.length === 1 ? batch : await this.#rotateTogether(batch, first.rules)
    if (unjudged !== batch) answered()
    await Promise.all(unjudged.map((entry) => this.#rotateAlone(entry)))
  }

  /** Answers those that could be judged, and resolves to the others. */
  async #rotateTogether (batch: readonly Entry[], rules: LineageRules): Promise<readonly Entry[]> {
    try {
      const judged = await this.#rotations.rotateMany(batch.map(({ token }) => token), rules, left(this.#deadlineMs, Math.min(...batch.map(({ since }) => since))))
      return batch.filter(({ sessionId, resolve }) => {
        const rotation = judged.get(sessionId)
        if (rotation === undefined) return true
        this.#underWay.delete(sessionId)
        resolve(rotation)
        return false
      })
    } catch (error) {
      if (this.#rotations.isFaultOfOne(error)) return [...batch]
      for (const { sessionId, reject } of batch) {
        this.#underWay.delete(sessionId)
        reject(error)
      }
      return []
    }
  }

  async #rotateAlone ({ sessionId, token, rules, since, resolve, reject }: Entry): Promise<void> {
    await this.#rotations.rotate(token, rules, left(this.#deadlineMs, since)).then(resolve, reject)
    this.#underWay.delete(sessionId)
    this.#sender.wake()
  }
}

const isSame = (a: LineageRules, b: LineageRules): boolean =>
  a.minGenerationAge === b.minGenerationAge && a.stragglerWindow === b.stragglerWindow && a.refreshTtl === b.refreshTtl
