import { REVOCATION_KINDS } from './revocations.js'
import type { Revocation, RevocationKind, RevocationSink } from './revocations.js'

export interface RevocationSetOptions {
  /** The store's clock, milliseconds since 1970. */
  readonly now: () => number
  /** Called for every revocation that is told; `null`: all sessions. */
  readonly onRevoked?: (sessionId: string | null, kind: RevocationKind) => void
  /** Called when the feed is whole again. */
  readonly onReset?: () => void
  /** Called as `broken` is. */
  readonly onBroken?: RevocationSink['broken']
}

/** One revocation. Instants are milliseconds since 1970 by the store's clock. */
interface Entry {
  readonly at: number
  readonly until: number
}

/** What this process has done itself and the feed has not told yet. */
interface Note {
  readonly kind: 'ended' | 'blocked'
  readonly until: number
}

/** Stands for all sessions; no session id is empty. */
const ALL = ''
/** Milliseconds that a note holds without the feed: longer than it may be silent before it counts as broken. */
const NOTE_MS = 2_000

/**
 * The revocations that one node knows of.
 *
 * An entry is dropped past its `until`, so that memory is bounded by the revocations of that hour. A look-up is a few
 * reads of maps, and nothing is awaited.
 */
export class RevocationSet implements RevocationSink {
  readonly #options: RevocationSetOptions
  /** Of each kind the latest a session, the oldest told first. */
  readonly #entries: Readonly<Record<RevocationKind, Map<string, Entry>>> = { ended: new Map(), blocked: new Map(), changed: new Map() }
  readonly #notes = new Map<string, Note>()
  #isWhole = false

  constructor (options: RevocationSetOptions) {
    this.#options = options
  }

  /** Whether `isRevoked` knows of everything. */
  get isWhole (): boolean { return this.#isWhole }

  /** Whether an access token of this session that was issued at this instant must be refused. */
  isRevoked (sessionId: string, issuedAt: number): boolean {
    if (this.#notes.size > 0 && this.#isNoted(sessionId)) return true
    const { ended, blocked, changed } = this.#entries
    return isAmong(ended, sessionId, issuedAt) || isAmong(blocked, sessionId, issuedAt) || isAmong(changed, sessionId, issuedAt)
  }

  /**
   * This process has just ended or blocked the session: its access tokens are refused for the next two seconds, or until the
   * feed tells of it. Not longer, so that a block which is lifted elsewhere does not stand here.
   */
  note (sessionId: string, kind: 'ended' | 'blocked'): void {
    const now = this.#options.now()
    dropPast(this.#notes, now)
    // an end is for good, whatever is lifted
    const isEnded = kind === 'ended' || this.#notes.get(sessionId)?.kind === 'ended'
    this.#notes.delete(sessionId)
    this.#notes.set(sessionId, { kind: isEnded ? 'ended' : 'blocked', until: now + NOTE_MS })
  }

  reset (inForce: readonly Revocation[]): void {
    for (const kind of REVOCATION_KINDS) this.#entries[kind].clear()
    for (const revocation of inForce.toSorted((a, b) => a.until - b.until)) this.add(revocation)
    this.#isWhole = true
    this.#options.onReset?.()
  }

  add ({ sessionId, kind, at, until }: Revocation): void {
    const id = sessionId ?? ALL
    const entries = this.#entries[kind]
    const before = entries.get(id)
    entries.delete(id)
    entries.set(id, { at: Math.max(at, before?.at ?? at), until: Math.max(until, before?.until ?? until) })
    dropPast(entries, this.#options.now())
    this.#forgetNote(id, kind)
    this.#options.onRevoked?.(sessionId, kind)
  }

  lift (sessionId: string): void {
    this.#entries.blocked.delete(sessionId)
    this.#forgetNote(sessionId, 'blocked')
  }

  broken (cause?: unknown, advice?: string): void {
    this.#isWhole = false
    this.#options.onBroken?.(cause, advice)
  }

  #isNoted (sessionId: string): boolean {
    const note = this.#notes.get(sessionId)
    return note !== undefined && note.until > this.#options.now()
  }

  #forgetNote (sessionId: string, kind: RevocationKind): void {
    if (this.#notes.get(sessionId)?.kind === kind) this.#notes.delete(sessionId)
  }
}

/** Asked for every request: most often there is nothing to look through. */
function isAmong (entries: ReadonlyMap<string, Entry>, sessionId: string, issuedAt: number): boolean {
  return entries.size > 0 && (isAfter(entries.get(sessionId), issuedAt) || isAfter(entries.get(ALL), issuedAt))
}

const isAfter = (entry: Entry | undefined, issuedAt: number): boolean => entry !== undefined && issuedAt <= entry.at

/** Drops from the front what is past: those behind were told later, and are in force longer. */
function dropPast (entries: Map<string, { readonly until: number }>, now: number): void {
  for (const [id, { until }] of entries) {
    if (until > now) return
    entries.delete(id)
  }
}
