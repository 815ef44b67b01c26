import { areNear, batchLimit, BatchSender, left, type QueueTimes } from './batch-sender.js'
import { type BatchMessage, tellBatch } from './measures.js'

/** Commits share the disk: what gathers behind one costs less than another beside it. What waits alone for a lock counts for as long as a slow batch, 10 ms. */
const AT_ONCE = 1

/** What waits for the row of one session to be locked and written, on behalf of one caller or several. */
export interface Claim {
  /** Of the session. */
  readonly id: string
  readonly since: number
  /** Tells its callers that it failed. */
  fail (error: unknown): void
}

/** How claims are sent. */
export interface ClaimSender<C extends Claim> {
  readonly kind: BatchMessage['kind']
  /** Whether it goes alone where no other goes along. */
  isLone (claim: C): boolean
  /** Whether both can be in one batch, as far as their ages do not decide it. */
  canShare (first: C, other: C): boolean
  /** Sends them in one round trip that waits for nobody, answers those that could be written, and resolves to the others. */
  sendTogether (batch: readonly C[], budgetMs: number): Promise<readonly C[]>
  /** Sends it by itself and answers it. Never rejects. */
  sendAlone (claim: C): Promise<void>
  /** Whether a batch failed for what one of its claims held or met, so that the others can succeed without it. */
  isFaultOfOne (error: unknown): boolean
}

/**
 * Claims that wait for the next batch. A batch holds a session once, and a session is in one batch at a time.
 *
 * What a batch did not write, because it is locked, gone or refused, goes alone: only that decides.
 */
export class ClaimQueue<C extends Claim> {
  readonly #to: ClaimSender<C>
  readonly #deadlineMs: number
  readonly #sender: BatchSender<readonly C[]>
  /** By session, in order. */
  readonly #waiting = new Map<string, C[]>()
  readonly #underWay = new Set<string>()

  constructor (to: ClaimSender<C>, { deadlineMs, slowMs }: QueueTimes) {
    this.#to = to
    this.#deadlineMs = deadlineMs
    this.#sender = new BatchSender({ atOnce: AT_ONCE, slowMs, take: () => this.#take(), send: (batch, answered) => this.#send(batch, answered) })
  }

  /** The last of this session that waits. */
  last (id: string): C | undefined {
    return this.#waiting.get(id)?.at(-1)
  }

  add (claim: C): void {
    const claims = this.#waiting.get(claim.id)
    if (claims === undefined) this.#waiting.set(claim.id, [claim])
    else claims.push(claim)
    this.#sender.wake()
  }

  settled (): Promise<void> {
    return this.#sender.settled()
  }

  #take (): readonly C[] | null {
    const batch: C[] = []
    const most = batchLimit(this.#waiting.size + this.#underWay.size)
    for (const [id, claims] of this.#waiting) {
      if (batch.length === most) break
      const [claim] = claims
      if (claim === undefined || this.#underWay.has(id) || !this.#goTogether(batch[0] ?? claim, claim)) continue
      claims.shift()
      this.#waiting.delete(id)
      if (claims.length > 0) this.#waiting.set(id, claims) // behind the others
      this.#underWay.add(id)
      batch.push(claim)
    }
    return batch.length === 0 ? null : batch
  }

  #goTogether (first: C, other: C): boolean {
    return areNear(this.#deadlineMs, first.since, other.since) && this.#to.canShare(first, other)
  }

  async #send (batch: readonly C[], answered: () => void): Promise<void> {
    tellBatch(this.#to.kind, batch.length)
    const isLone = batch.length === 1 && batch.every((claim) => this.#to.isLone(claim))
    const others = isLone ? batch : await this.#sendTogether(batch)
    if (!isLone) answered()
    await Promise.all(others.map((claim) => this.#sendAlone(claim)))
  }

  /** Resolves to those that have to go alone. */
  async #sendTogether (batch: readonly C[]): Promise<readonly C[]> {
    let others: readonly C[] = []
    try {
      others = await this.#to.sendTogether(batch, left(this.#deadlineMs, Math.min(...batch.map(({ since }) => since))))
    } catch (error) {
      if (this.#to.isFaultOfOne(error)) others = batch
      else for (const claim of batch) claim.fail(error)
    }
    for (const claim of batch) if (!others.includes(claim)) this.#underWay.delete(claim.id)
    return others
  }

  async #sendAlone (claim: C): Promise<void> {
    await this.#to.sendAlone(claim)
    this.#underWay.delete(claim.id)
    this.#sender.wake()
  }
}
