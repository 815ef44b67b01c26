import { createHmac } from 'node:crypto'
import { deriveKey } from '../../core/keys.js'
import { RequestError } from '../../plugins/problems.js'
import { setTimeouts } from '../../stores/postgres/bulk-statements.js'
import type { Database } from '../../stores/postgres/query.js'
import type { Row } from '../../stores/postgres/rows.js'
import { TABLES } from '../database/tables.js'
import type { Audit, AuditedRequest, AuditFacts } from '../events/audit.js'
import { wide } from './limits.js'
import type { Limit } from './limits.js'
import { networkOf } from './network.js'
import { cleanUp, look, reserve, settle } from './statements.js'
import type { Counted } from './statements.js'

/** Something that is counted: a name, a network, a session. */
export interface Attempt {
  readonly limit: Limit
  readonly of: string
}

/** An attempt that was counted before it is known how it ends. */
export interface Reservation {
  /** It was none: takes it back, and where `reset` names its limit all earlier ones. @throws StoreError */
  giveBack (reset?: readonly Limit[]): Promise<void>
}

/** Whose request it is, as far as that is known, for the line of the log. */
export type ThrottledFacts = Pick<AuditFacts, 'userId' | 'sessionId'>

export interface ThrottleOptions {
  readonly database: Database
  /** Where refusals are told. */
  readonly audit: Pick<Audit, 'record'>
  /** Of which the key of the HMACs is derived: rows hold neither names nor addresses. */
  readonly key: Uint8Array
  /** `false`: everything is allowed, and nothing is counted. Default `true`. */
  readonly isOn?: boolean
  /** Whether what comes from this machine itself is not counted by address. Default `false`. */
  readonly exemptsLoopback?: boolean
}

/** More rows than this many attempts of a day are not kept. */
const MOST_ROWS = 1_000_000
const CLEANUP_MS = 20_000
const STATEMENT_MS = 15_000

/** Counts attempts in the database, for all nodes together. */
export class Throttle {
  readonly #database: Database
  readonly #audit: ThrottleOptions['audit']
  readonly #key: Buffer
  readonly #isOn: boolean
  readonly #exemptsLoopback: boolean

  constructor ({ database, audit, key, isOn = true, exemptsLoopback = false }: ThrottleOptions) {
    this.#database = database
    this.#audit = audit
    this.#key = deriveKey(key, 'throttle', '')
    this.#isOn = isOn
    this.#exemptsLoopback = exemptsLoopback
  }

  /** The attempts that count against a network: none where it is exempt. */
  from (limit: Limit, ip: string): readonly Attempt[] {
    const network = networkOf(ip)
    if (network.isLoopback && this.#exemptsLoopback) return []
    return [{ limit, of: network.narrow }, ...(network.wide === null ? [] : [{ limit: wide(limit), of: network.wide }])]
  }

  /** The attempts that count against a name together with a network: none where that is exempt. */
  pair (limit: Limit, name: string, ip: string): readonly Attempt[] {
    const network = networkOf(ip)
    return network.isLoopback && this.#exemptsLoopback ? [] : [{ limit, of: `${network.narrow}\n${name}` }]
  }

  /**
   * Counts an attempt under every one, or, when one of them refuses, under none; the refusal is told.
   *
   * @throws RequestError 429 `ERR_THROTTLED` with `Retry-After`, whichever refused
   * @throws StoreError: what cannot be counted is not allowed
   */
  async reserve (attempts: readonly Attempt[], request: AuditedRequest, facts: ThrottledFacts = {}): Promise<Reservation> {
    if (!this.#isOn || attempts.length === 0) return { giveBack: async () => {} }
    const counted = attempts.map((attempt) => this.#counted(attempt))
    const rows = new Map((await this.#database.write(reserve(counted))).map((row) => [row['key'], row]))
    const answers = counted.map(({ key, limit }) => ({ key, limit, row: rows.get(key.toString('hex')) }))
    const [longest] = answers.filter(({ row }) => row?.['granted'] !== 't').sort((a, b) => waitOf(b.row) - waitOf(a.row))
    if (longest !== undefined) {
      const granted = answers.filter(({ row }) => row?.['granted'] === 't').map(({ key }) => key)
      if (granted.length > 0) await this.#database.write(settle(granted, []))
      throw this.#refusal(longest, request, facts)
    }
    return {
      giveBack: async (reset = []) => {
        const isReset = ({ limit }: Counted): boolean => reset.includes(limit)
        await this.#database.write(settle(counted.filter((one) => !isReset(one)).map(({ key }) => key), counted.filter(isReset).map(({ key }) => key)))
      }
    }
  }

  /** Counts what has happened, and refuses nothing. @throws StoreError */
  async count (attempt: Attempt): Promise<void> {
    if (this.#isOn) await this.#database.write(reserve([this.#counted(attempt)]))
  }

  /** Refuses as `reserve` does, and counts nothing: for what `count` counts. @throws RequestError 429; StoreError */
  async refuse (attempt: Attempt, request: AuditedRequest, facts: ThrottledFacts = {}): Promise<void> {
    if (!this.#isOn) return
    const { limit, key } = this.#counted(attempt)
    const [row] = await this.#database.read(look(key))
    if (row !== undefined) throw this.#refusal({ limit, row }, request, facts)
  }

  /** Removes what has expired. @throws StoreError */
  async cleanup (signal?: AbortSignal): Promise<void> {
    if (this.#isOn) await cleanUpThrottle(this.#database, signal)
  }

  #counted ({ limit, of }: Attempt): Counted {
    return { limit, key: createHmac('sha256', this.#key).update(`${limit.name}\n${of}`).digest() }
  }

  /** One answer for every cause; the log says which. */
  #refusal ({ limit, row }: { readonly limit: Limit, readonly row: Row | undefined }, request: AuditedRequest, facts: ThrottledFacts): RequestError {
    this.#audit.record(request, 'throttled', { ...facts, limit: limit.name })
    const wait = String(Math.max(1, Math.ceil(waitOf(row))))
    return new RequestError(429, 'ERR_THROTTLED', 'too many attempts; try again later', undefined, { 'retry-after': wait })
  }
}

/** Removes counts that have expired. @throws StoreError */
export async function cleanUpThrottle (database: Database, signal?: AbortSignal): Promise<void> {
  await database.transaction('cleanUpThrottle', async (send) => {
    await send(setTimeouts(TABLES, STATEMENT_MS))
    await send(cleanUp(MOST_ROWS))
  }, { budgetMs: CLEANUP_MS, signal })
}

/** Seconds; 0: not known. */
const waitOf = (row: Row | undefined): number => Number(row?.['wait'] ?? 0)
