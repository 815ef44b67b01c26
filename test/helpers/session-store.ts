import { StoreError } from '../../src/core/errors.js'
import type { Claims, CleanupOptions, CreatedRecord, NewSession, SessionChange, SessionRecord, Store } from '../../src/session/store.js'

/** The methods of a store that a test may stand in front of. */
export type StoreMethod = Exclude<keyof Store, 'close'>

/** Passes everything on to a store; counts the calls, and lets a test hold, break or change them. */
export class ProbedStore implements Store {
  /** The methods called, in their order. */
  readonly calls: StoreMethod[] = []
  /** Runs before each call; waits for what it returns, and fails with what it throws. */
  before: (method: StoreMethod) => unknown = () => {}
  /** Runs after each call that has worked, before it answers: the place to lose an answer or hold it back. */
  after: (method: StoreMethod) => unknown = () => {}
  /** Changes the record that `get` answers. */
  edit: (record: SessionRecord) => SessionRecord = (record) => record
  closed = 0
  readonly #store: Store

  constructor (store: Store) {
    this.#store = store
  }

  /** Has these methods fail until `mend`. */
  break (...methods: StoreMethod[]): void {
    this.before = (method) => {
      if (methods.length === 0 || methods.includes(method)) throw new StoreError(method, new Error('the disk is on fire'))
    }
  }

  mend (): void {
    this.before = () => {}
  }

  /** The calls since the last time this was asked. */
  takeCalls (): StoreMethod[] {
    return this.calls.splice(0)
  }

  async create (session: NewSession): Promise<CreatedRecord> { return await this.#pass('create', () => this.#store.create(session)) }
  async get (id: string): Promise<SessionRecord | null> {
    const record = await this.#pass('get', () => this.#store.get(id))
    return record && this.edit(record)
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> { return await this.#pass('save', () => this.#store.save(id, secretHash, change)) }
  async delete (id: string, secretHash?: Uint8Array): Promise<boolean> { return await this.#pass('delete', () => this.#store.delete(id, secretHash)) }
  async cleanup (options?: CleanupOptions): Promise<number> { return await this.#pass('cleanup', () => this.#store.cleanup(options)) }
  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    return await this.#pass('compareAndSave', () => this.#store.compareAndSave(id, secretHash, version, change))
  }

  async listByUser (userId: string): Promise<SessionRecord[]> { return await this.#pass('listByUser', () => this.#store.listByUser(userId)) }
  async deleteByUser (userId: string, options?: { readonly except?: string }): Promise<string[]> { return await this.#pass('deleteByUser', () => this.#store.deleteByUser(userId, options)) }
  async block (id: string, reason: string): Promise<boolean> { return await this.#pass('block', () => this.#store.block(id, reason)) }
  async unblock (id: string): Promise<boolean> { return await this.#pass('unblock', () => this.#store.unblock(id)) }
  async setClaims (userId: string, claims: Claims): Promise<number> { return await this.#pass('setClaims', () => this.#store.setClaims(userId, claims)) }
  async close (): Promise<void> {
    this.closed++
    await this.#store.close()
  }

  async #pass<T> (method: StoreMethod, call: () => Promise<T>): Promise<T> {
    this.calls.push(method)
    await this.before(method)
    const answer = await call()
    await this.after(method)
    return answer
  }
}
