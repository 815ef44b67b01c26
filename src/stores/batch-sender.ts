import { MOST_IN_BATCH } from './bulk-store.js'

/** So many share a round trip in any case. */
const FEW = 16
/** Batches under way at most, the slow ones included. */
const MAX_SENT = 8

export interface SenderOptions<Batch> {
  /** Batches under way at once. While so many are, requests gather for the next: more at once are smaller, and cost more each. */
  readonly atOnce: number
  /** A batch that waits so many milliseconds, for a lock or a slow server or network, does not hold up the others any more. */
  readonly slowMs: number
  /** Takes the next batch out of the queue; `null`: nothing can be sent. */
  readonly take: () => Batch | null
  /** Sends it and answers its callers; calls `answered` when its round trip is over. Never rejects. */
  readonly send: (batch: Batch, answered: () => void) => Promise<void>
}

/** Decides when the batches of a queue go out: with the end of the tick, some at a time. */
export class BatchSender<Batch> {
  readonly #atOnce: number
  readonly #slowMs: number
  readonly #take: () => Batch | null
  readonly #send: (batch: Batch, answered: () => void) => Promise<void>
  readonly #open = new Set<Promise<void>>()
  #fresh = 0
  #sent = 0
  #scheduled = false

  constructor ({ atOnce, slowMs, take, send }: SenderOptions<Batch>) {
    this.#atOnce = atOnce
    this.#slowMs = slowMs
    this.#take = take
    this.#send = send
  }

  /** Says that something was queued. What else is queued in this tick goes along. */
  wake (): void {
    if (this.#scheduled || this.#isFull()) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  /** Resolves when what was queued has been answered. */
  async settled (): Promise<void> {
    this.#flush()
    while (this.#open.size > 0) {
      await Promise.all(this.#open)
      this.#flush()
    }
  }

  #isFull (): boolean {
    return this.#fresh >= this.#atOnce || this.#sent >= MAX_SENT
  }

  #flush (): void {
    while (!this.#isFull()) {
      const batch = this.#take()
      if (batch === null) return
      const run = this.#run(batch).finally(() => {
        this.#open.delete(run)
        this.wake()
      })
      this.#open.add(run)
    }
  }

  async #run (batch: Batch): Promise<void> {
    this.#fresh++
    this.#sent++
    let fresh = true
    const stale = (): void => {
      if (fresh) this.#fresh--
      fresh = false
      this.wake()
    }
    let sent = true
    const answered = (): void => {
      if (sent) this.#sent--
      sent = false
      stale()
    }
    const slow = setTimeout(stale, this.#slowMs).unref()
    try {
      await this.#send(batch, answered)
    } finally {
      clearTimeout(slow)
      answered()
    }
  }
}

/**
 * Most sessions of the next batch, of so many that wait or are under way: half of them, for who is answered together asks
 * again together, and of two halves one is answered here while the other is with the server. Few go in one all the same.
 */
export function batchLimit (outstanding: number): number {
  return Math.min(MOST_IN_BATCH, Math.max(FEW, Math.ceil(outstanding / 2)))
}

/** Milliseconds. */
export interface QueueTimes {
  /** The most that a call may take, in the queue and in the store. */
  readonly deadlineMs: number
  /** How long a batch holds up the next. */
  readonly slowMs: number
}

/** Somebody who waits for an answer. */
export interface Caller<T> {
  resolve (answer: T): void
  reject (error: unknown): void
}

/** Default settings of the queues. */
export const QUEUE_TIMES: QueueTimes = Object.freeze({ deadlineMs: 2_500, slowMs: 10 })

/**
 * Whether callers that were queued at these instants can share a batch: its time is that of the oldest, and nobody shall lose
 * more than a tenth of theirs by it.
 */
export function areNear (deadlineMs: number, since: number, other: number): boolean {
  return Math.abs(since - other) <= deadlineMs / 10
}

/** Milliseconds left of `deadlineMs` for what was queued at `since`; 0: it is over. */
export function left (deadlineMs: number, since: number): number {
  return Math.max(0, deadlineMs - (performance.now() - since))
}
