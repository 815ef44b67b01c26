import { equalHashes } from '../core/credential.js'
import { SessionGoneError, SessionTooLargeError, SessionValueError, StoreError } from '../core/errors.js'
import { Changes } from './changes.js'
import type { Json, SessionRecord, Store, ValuesPatch } from './store.js'
import { copyValue } from './values.js'

/** One read-modify-write of one key. */
interface Update {
  readonly key: string
  readonly fn: (value: Json | undefined) => unknown
  /** Its caller has been told that it failed: it must not be committed any more, unless it is under way. */
  isLate: boolean
  resolve (done: { record: SessionRecord, value: Json | undefined }): void
  reject (error: unknown): void
}

/** The session as its caller knows it. */
interface Target {
  readonly id: string
  readonly secretHash: Uint8Array
  readonly idleSeconds: number
}

/** Milliseconds that an update may wait and retry. */
const DEADLINE_MS = 2_500

/**
 * `Session.update` of all requests of one process: updates of one session queue, those that wait are committed together,
 * in order, and the row's version decides between processes.
 */
export class UpdateQueue {
  readonly #store: Store
  readonly #waiting = new Map<string, Update[]>()

  constructor (store: Store) {
    this.#store = store
  }

  /**
   * Resolves to the value and the record, once committed.
   * @throws SessionGoneError, SessionValueError, SessionTooLargeError, StoreError, or what `fn` throws; nothing is written
   */
  async run (
    session: Target,
    key: string,
    fn: (value: Json | undefined) => unknown
  ): Promise<{ record: SessionRecord, value: Json | undefined }> {
    // under the secret as well: after a regenerate the old one's updates are gone, the new one's are not
    const queue = `${session.id} ${Buffer.from(session.secretHash).toString('base64')}`
    return await new Promise((resolve, reject) => {
      const update: Update = { key, fn, isLate: false, resolve, reject }
      const timer = setTimeout(() => {
        update.isLate = true
        reject(new StoreError('update', new Error(`no commit within ${DEADLINE_MS} ms`)))
      }, DEADLINE_MS)
      update.resolve = (done) => { clearTimeout(timer); resolve(done) }
      update.reject = (error) => { clearTimeout(timer); reject(error) }
      const waiting = this.#waiting.get(queue)
      if (waiting !== undefined) {
        waiting.push(update)
        return
      }
      this.#waiting.set(queue, [update])
      void this.#work(queue, session)
    })
  }

  async #work (queue: string, session: Target): Promise<void> {
    let record: SessionRecord | null = null
    for (;;) {
      const batch = this.#waiting.get(queue)?.filter(({ isLate }) => !isLate)
      if (batch === undefined || batch.length === 0) {
        this.#waiting.delete(queue)
        return
      }
      this.#waiting.set(queue, [])
      record = await this.#settle(batch, session, record)
    }
  }

  /** Commits a batch, or tells its callers why not. Resolves to the record as it then is; `null`: not known. */
  async #settle (batch: readonly Update[], session: Target, seen: SessionRecord | null): Promise<SessionRecord | null> {
    try {
      return await this.#commit(batch, session, seen)
    } catch (error) {
      if (error instanceof SessionTooLargeError && batch.length > 1) {
        // only the caller whose value is too much shall hear of it
        for (const update of batch) await this.#settle([update], session, null)
      } else {
        for (const update of batch) update.reject(error)
      }
      return null
    }
  }

  async #commit (updates: readonly Update[], { id, secretHash, idleSeconds }: Target, seen: SessionRecord | null): Promise<SessionRecord> {
    let record = seen ?? await this.#store.get(id)
    let isRead = seen === null
    let batch = updates
    for (let attempt = 0; ; attempt++) {
      if (record === null || !equalHashes(record.secretHash, secretHash)) throw new SessionGoneError()
      const { patch, done, failed } = applyAll(batch, record)
      const found = done.length > 0
        ? await this.#store.compareAndSave(id, secretHash, record.version, { ...patch, idleSeconds })
        : isRead ? record : 'conflict' // nobody has confirmed yet what the failed ones saw
      if (found === null) throw new SessionGoneError()
      if (found !== 'conflict') {
        for (const { update, value } of done) update.resolve({ record: found, value })
        for (const { update, error } of failed) update.reject(error)
        return found
      }
      batch = batch.filter(({ isLate }) => !isLate)
      if (batch.length === 0) throw new StoreError('update')
      if (done.length > 0) await backOff(attempt)
      record = await this.#store.get(id)
      isRead = true
    }
  }
}

/** Applies the updates in order. One that throws changes nothing; the rest go on. Tells nobody: none of it is committed. */
function applyAll (batch: readonly Update[], record: SessionRecord): {
  patch: ValuesPatch
  done: { update: Update, value: Json | undefined }[]
  failed: { update: Update, error: unknown }[]
} {
  const changes = new Changes(record.values)
  const done: { update: Update, value: Json | undefined }[] = []
  const failed: { update: Update, error: unknown }[] = []
  for (const update of batch) {
    const { key, fn } = update
    try {
      const given = fn(changes.get(key))
      if (given instanceof Promise) {
        given.catch(() => { /* refused here: nobody else hears of it */ })
        throw new SessionValueError(key, 'must be computed at once: the function returned a promise')
      }
      const value = given === undefined ? undefined : copyValue(key, given)
      if (value === undefined) changes.unset(key)
      else changes.set(key, value)
      done.push({ update, value })
    } catch (error) {
      failed.push({ update, error })
    }
  }
  return { patch: changes.toPatch(), done, failed }
}

/** Another process was quicker: 1 to 10 ms, so that the two do not stay in step. */
async function backOff (attempt: number): Promise<void> {
  const ms = 1 + Math.random() * Math.min(attempt, 9)
  await new Promise((resolve) => { setTimeout(resolve, ms) })
}
