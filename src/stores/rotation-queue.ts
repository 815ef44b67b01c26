import type { PresentedToken } from '../tokens/rotation.js'
import type { LineageRules, Rotation } from '../tokens/store.js'
import { type Caller, left, type QueueTimes } from './batch-sender.js'
import { type Claim, ClaimQueue } from './claim-queue.js'

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
interface Entry extends Claim {
  readonly token: PresentedToken
  readonly rules: LineageRules
  readonly resolve: Caller<Rotation>['resolve']
}

/** Rotations that wait for the next batch. A batch holds tokens of the same rules; the next of a session is judged when the one before it is done. */
export class RotationQueue {
  readonly #queue: ClaimQueue<Entry>

  constructor (rotations: BulkRotations, times: QueueTimes) {
    this.#queue = new ClaimQueue<Entry>({
      kind: 'rotate',
      isLone: () => true,
      canShare: (first, other) => isSame(first.rules, other.rules),
      async sendTogether (batch, budgetMs) {
        const [first] = batch
        if (first === undefined) return batch
        const judged = await rotations.rotateMany(batch.map(({ token }) => token), first.rules, budgetMs)
        return batch.filter(({ id, resolve }) => {
          const rotation = judged.get(id)
          if (rotation !== undefined) resolve(rotation)
          return rotation === undefined
        })
      },
      sendAlone: async ({ token, rules, since, resolve, fail }) => { await rotations.rotate(token, rules, left(times.deadlineMs, since)).then(resolve, fail) },
      isFaultOfOne: (error) => rotations.isFaultOfOne(error)
    }, times)
  }

  rotate (token: PresentedToken, rules: LineageRules): Promise<Rotation> {
    return new Promise((resolve, reject) => {
      this.#queue.add({ id: token.sessionId, token: { ...token }, rules: { ...rules }, since: performance.now(), resolve, fail: reject })
    })
  }

  settled (): Promise<void> {
    return this.#queue.settled()
  }
}

const isSame = (a: LineageRules, b: LineageRules): boolean =>
  a.minGenerationAge === b.minGenerationAge && a.stragglerWindow === b.stragglerWindow && a.refreshTtl === b.refreshTtl
