import { SessionTooLargeError } from '../../src/core/errors.js'
import type { Claims, CreatedRecord, JsonObject, NewSession, SessionChange, SessionRecord, Store, ValuesPatch } from '../../src/session/store.js'

type Changed = Omit<SessionRecord, 'readAt'>

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const later = (from: Date, seconds: number): Date => new Date(from.getTime() + seconds * 1000)
const earliest = (a: Date, b: Date): Date => a < b ? a : b

function merge (values: JsonObject, { set, unset }: ValuesPatch): JsonObject {
  const merged = new Map(Object.entries(values))
  for (const key of unset) merged.delete(key)
  for (const [key, value] of Object.entries(set)) merged.set(key, value)
  return Object.fromEntries(merged)
}

/**
 * What a store is, as simply as it can be said: a list of sessions and a clock. The most recently seen stand last.
 *
 * Nothing is copied and nothing is fast. Where the contract leaves it open whether something expired is still there
 * for `cleanup` to count, its id is in `doubtful`.
 */
export class StoreModel implements Store {
  now = new Date('2035-06-01T12:00:00Z')
  readonly doubtful = new Set<string>()
  #sessions: Changed[] = []

  advance (seconds: number): void { this.now = later(this.now, seconds) }

  async create (given: NewSession): Promise<CreatedRecord> {
    const { replaces, set, unset, idleSeconds, absoluteSeconds, atMost, ...rest } = given
    const old = this.#sessions.find((s) => s.id === replaces?.id && sameBytes(s.secretHash, replaces.secretHash))
    const carried = replaces?.carry ? (old && this.#isLive(old) ? old.values : replaces.carry) : {}
    const replaced = old !== undefined && this.#isLive(old)
    if (replaced) this.#drop(old)
    else if (old) this.doubtful.add(old.id)
    const evicted = given.userId === null || atMost === undefined ? [] : this.#ofUser(given.userId).toReversed().slice(atMost - 1)
    evicted.forEach((s) => { this.#drop(s) })
    const absoluteExpiresAt = later(this.now, absoluteSeconds)
    const record = this.#put({
      ...rest,
      values: merge(carried, { set, unset }),
      createdAt: this.now,
      expiresAt: earliest(later(this.now, idleSeconds), absoluteExpiresAt),
      absoluteExpiresAt,
      lastSeenAt: this.now,
      authenticatedAt: given.userId === null ? null : this.now,
      blockedAt: null,
      blockedReason: null,
      version: 1
    })
    return { ...record, ...(evicted.length > 0 && { evicted: evicted.map(({ id }) => id) }), ...(replaced && { replaced: true }) }
  }

  async get (id: string): Promise<SessionRecord | null> {
    const session = this.#sessions.find((s) => s.id === id && this.#isLive(s))
    return session ? { ...session, readAt: this.now } : null
  }

  async save (id: string, secretHash: Uint8Array, change: SessionChange): Promise<SessionRecord | null> {
    const old = this.#sessions.find((s) => s.id === id && this.#isLive(s) && sameBytes(s.secretHash, secretHash))
    if (!old) return null
    const { renew, maxAge = old.maxAge } = change
    const kept = renew && renew.keep !== 'all' ? Object.fromEntries(Object.entries(old.values).filter(([key]) => renew.keep.includes(key))) : old.values
    const changes = renew !== undefined || Object.keys(change.set).length + change.unset.length > 0
    const values = merge(kept, change)
    if (Buffer.byteLength(JSON.stringify(values)) > 256 * 1024) throw new SessionTooLargeError()
    this.#drop(old)
    return this.#put({
      ...old,
      id: renew?.id ?? id,
      secretHash: renew?.secretHash ?? secretHash,
      values,
      maxAge,
      authenticatedAt: renew?.reauthenticates ? this.now : old.authenticatedAt,
      version: old.version + (changes ? 1 : 0),
      lastSeenAt: this.now,
      expiresAt: earliest(later(this.now, maxAge ?? change.idleSeconds), old.absoluteExpiresAt)
    })
  }

  async compareAndSave (id: string, secretHash: Uint8Array, version: number, change: SessionChange): Promise<SessionRecord | 'conflict' | null> {
    const old = await this.get(id)
    if (old && sameBytes(old.secretHash, secretHash) && old.version !== version) return 'conflict'
    return await this.save(id, secretHash, change)
  }

  async delete (id: string, secretHash?: Uint8Array): Promise<boolean> {
    const old = this.#sessions.find((s) => s.id === id && (secretHash === undefined || sameBytes(s.secretHash, secretHash)))
    if (!old) return false
    if (this.#hasExpired(old)) this.doubtful.add(id)
    else this.#drop(old)
    return !this.#hasExpired(old)
  }

  async cleanup (): Promise<number> {
    const expired = this.#sessions.filter((s) => this.#hasExpired(s))
    expired.forEach((s) => { this.#drop(s) })
    return expired.length
  }

  async listByUser (userId: string): Promise<SessionRecord[]> {
    return this.#ofUser(userId).toReversed().map((s) => ({ ...s, readAt: this.now }))
  }

  async deleteByUser (userId: string, { except }: { readonly except?: string } = {}): Promise<string[]> {
    for (const s of this.#sessions) if (s.userId === userId && this.#hasExpired(s)) this.doubtful.add(s.id)
    const ended = this.#ofUser(userId).filter((s) => s.id !== except)
    ended.forEach((s) => { this.#drop(s) })
    return ended.map(({ id }) => id)
  }

  async block (id: string, reason: string): Promise<boolean> {
    return this.#amend((s) => s.id === id, (s) => s.blockedAt === null ? { ...s, blockedAt: this.now, blockedReason: reason } : s) > 0
  }

  async unblock (id: string): Promise<boolean> {
    return this.#amend((s) => s.id === id, (s) => ({ ...s, blockedAt: null, blockedReason: null })) > 0
  }

  async setClaims (userId: string, claims: Claims): Promise<number> {
    return this.#amend((s) => s.userId === userId, (s) => ({ ...s, claims }))
  }

  async close (): Promise<void> {}

  #hasExpired (s: Changed): boolean { return s.expiresAt <= this.now }

  #isLive (s: Changed): boolean { return !this.#hasExpired(s) && s.blockedAt === null }

  #ofUser (userId: string): Changed[] { return this.#sessions.filter((s) => s.userId === userId && !this.#hasExpired(s)) }

  #drop (session: Changed): void { this.#sessions = this.#sessions.filter((s) => s !== session) }

  #put (session: Changed): SessionRecord {
    this.#sessions.push(session)
    return { ...session, readAt: this.now }
  }

  #amend (which: (s: Changed) => boolean, amend: (s: Changed) => Changed): number {
    const amended = this.#sessions.filter((s) => which(s) && !this.#hasExpired(s))
    this.#sessions = this.#sessions.map((s) => amended.includes(s) ? amend(s) : s)
    return amended.length
  }
}
