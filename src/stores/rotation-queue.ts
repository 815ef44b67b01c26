import type { PresentedToken } from '../tokens/rotation.js'
import type { LineageRules, Rotation } from '../tokens/store.js'
import { batchLimit, BatchSender, type Caller, left, type QueueTimes } from './batch-sender.js'
import { tellBatch } from './measures.js'

/** Commits share the disk, as with saves. */
const AT_ONCE = 1

/** What can judge presented tokens one at a time, and many in one round trip. `budgetMs`: what is left of the time that the caller was promised. */
export interface BulkRotations {
  rotate (token: PresentedToken, rules: LineageRules, budgetMs: number): Promise<Rotation>
  /**
   * Rotates what it can without waiting for anybody, each session once; by session. Of one that is not in the answer nothing
   * was changed, and only `rotate` tells what it is.
   */
  rotateMany (tokens: readonly PresentedToken[], rules: LineageRules, budgetMs: number): Promise<ReadonlyMap<string, Rotation>>
  /** Whether a batch failed for what one of its tokens held, so that the others can succeed without it. */
  isFaultOfOne (error: unknown): boolean
}

/** What one caller asked for. */
interface Entry extends Caller<Rotation> {
  readonly token: PresentedToken
  readonly rules: LineageRules
  readonly since: number
}

/**
 * Rotations that wait for the next batch. A batch holds tokens of the same rules, and one of a session at most: the second
 * is judged when the first is done.
 *
 * What a batch did not rotate, because it is locked, gone or refused by the database, is judged alone: only that decides.
 */
export class RotationQueue {
  readonly #rotations: BulkRotations
  readonly #deadlineMs: number
  readonly #sender: BatchSender<readonly Entry[]>
  /** In the order in which they came. */
  #waiting: Entry[] = []
  /** By session. */
  readonly #underWay = new Set<string>()

  constructor (rotations: BulkRotations, { deadlineMs, slowMs }: QueueTimes) {
    this.#rotations = rotations
    this.#deadlineMs = deadlineMs
    this.#sender = new BatchSender({ atOnce: AT_ONCE, slowMs, take: () => this.#take(), send: (batch, answered) => this.#send(batch, answered) })
  }

  rotate (token: PresentedToken, rules: LineageRules): Promise<Rotation> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ token, rules, since: performance.now(), resolve, reject })
      this.#sender.wake()
    })
  }

  settled (): Promise<void> {
    return this.#sender.settled()
  }

  #take (): readonly Entry[] | null {
    const batch: Entry[] = []
    const rest: Entry[] = []
    const most = batchLimit(this.#waiting.length + this.#underWay.size)
    for (const entry of this.#waiting) {
      const { token: { sessionId }, rules } = entry
      if (batch.length === most || this.#underWay.has(sessionId) || !isSame(rules, batch[0]?.rules ?? rules)) rest.push(entry)
      else {
        this.#underWay.add(sessionId)
        batch.push(entry)
      }
    }
    this.#waiting = rest
    return batch.length === 0 ? null : batch
  }

  async #send (batch: readonly Entry[], answered: () => void): Promise<void> {
    tellBatch('rotate', batch.length)
    const unjudged = batch.length === 1 ? batch : await this.#rotateTogether(batch)
    if (unjudged !== batch) answered()
    await Promise.all(unjudged.map((entry) => this.#rotateAlone(entry)))
  }

  /** Answers those that could be judged, and resolves to the others. */
  async #rotateTogether (batch: readonly Entry[]): Promise<readonly Entry[]> {
    const [first] = batch
    if (first === undefined) return batch
    try {
      const tokens = batch.map(({ token }) => token)
      const judged = await this.#rotations.rotateMany(tokens, first.rules, left(this.#deadlineMs, Math.min(...batch.map(({ since }) => since))))
      return batch.filter(({ token: { sessionId }, resolve }) => {
        const rotation = judged.get(sessionId)
        if (rotation === undefined) return true
        this.#underWay.delete(sessionId)
        resolve(rotation)
        return false
      })
    } catch (error) {
      if (this.#rotations.isFaultOfOne(error)) return [...batch]
      for (const { token, reject } of batch) {
        this.#underWay.delete(token.sessionId)
        reject(error)
      }
      return []
    }
  }

  async #rotateAlone ({ token, rules, since, resolve, reject }: Entry): Promise<void> {
    await this.#rotations.rotate(token, rules, left(this.#deadlineMs, since)).then(resolve, reject)
    this.#underWay.delete(token.sessionId)
    this.#sender.wake()
  }
}

const isSame = (a: LineageRules, b: LineageRules): boolean =>
  a === b || (a.minGenerationAge === b.minGenerationAge && a.stragglerWindow === b.stragglerWindow && a.refreshTtl === b.refreshTtl)
