import { Registry } from 'prom-client'
import type { RejectionReason } from '../../session/events.js'
import type { RotationCase } from '../../tokens/rotation.js'
import { LIMIT_NAMES } from '../throttle/limits.js'
import { COUNTED_REASONS } from './end-reason.js'
import type { CountedReason } from './end-reason.js'
import { addReadings, createFamilies } from './families.js'
import type { Families, Sources } from './families.js'
import { processRegistry } from './process.js'

/** How a sign-in ended. */
export type SignInOutcome = 'passed' | 'refused'
export type AlarmKind = 'reuse' | 'ahead' | 'mismatch'

// What has never happened stands at 0: a first time is a rise then, which alerts can see.
const SIGN_INS: readonly SignInOutcome[] = ['passed', 'refused']
const ALARMS: readonly AlarmKind[] = ['reuse', 'ahead', 'mismatch']
const REJECTIONS: readonly RejectionReason[] = ['forged', 'duplicate', 'unknown', 'replaced', 'corrupt']
const REFRESHES: readonly (RotationCase | 'FORGED')[] = [
  'ROTATE', 'EARLY', 'REPLAY', 'STRAGGLER', 'AHEAD', 'REVOKED', 'EXPIRED', 'BLOCKED', 'WRONG_USER', 'REUSE', 'MISMATCH', 'FORGED'
]

/**
 * The figures of one service in one registry of its own, for Prometheus. No label tells of a user, a session or a URL, and
 * each has a bounded number of values.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #families: Families

  constructor (sources: Sources) {
    this.#families = createFamilies(this.#registry)
    addReadings(this.#registry, sources)
    processRegistry()
    const { ended, throttled, signIns, alarms, cookiesRejected, refreshes } = this.#families
    for (const reason of COUNTED_REASONS) ended.inc({ reason }, 0)
    for (const limit of LIMIT_NAMES) throttled.inc({ limit }, 0)
    for (const outcome of SIGN_INS) signIns.inc({ outcome }, 0)
    for (const kind of ALARMS) alarms.inc({ kind }, 0)
    for (const reason of REJECTIONS) cookiesRejected.inc({ reason }, 0)
    for (const found of REFRESHES) refreshes.inc({ outcome: found.toLowerCase() }, 0)
  }

  created (): void { this.#families.created.inc() }
  ended (reason: CountedReason, count: number): void { this.#families.ended.inc({ reason }, count) }
  signIn (outcome: SignInOutcome): void { this.#families.signIns.inc({ outcome }) }
  refreshed (found: RotationCase | 'FORGED'): void { this.#families.refreshes.inc({ outcome: found.toLowerCase() }) }
  alarm (kind: AlarmKind): void { this.#families.alarms.inc({ kind }) }
  throttled (limit: string): void { this.#families.throttled.inc({ limit }) }
  cookieRejected (reason: RejectionReason): void { this.#families.cookiesRejected.inc({ reason }) }

  query (operation: string, seconds: number, failed: boolean): void {
    this.#families.queries.observe({ operation }, seconds)
    if (failed) this.#families.queryErrors.inc({ operation })
  }

  batch (kind: 'load' | 'save' | 'rotate', size: number): void { this.#families.batches.observe({ kind }, size) }

  cleanup (rows: number, seconds: number): void {
    this.#families.cleanedRows.inc(rows)
    this.#families.cleanups.observe(seconds)
  }

  request (facts: { readonly method: string, readonly route: string, readonly status: string, readonly seconds: number }): void {
    const { seconds, ...labels } = facts
    this.#families.requests.observe(labels, seconds)
  }

  /** The media type of `text`. */
  get contentType (): string { return this.#registry.contentType }

  /** All figures, in the text format of Prometheus. */
  async text (): Promise<string> {
    return await this.#registry.metrics() + await processRegistry().metrics()
  }
}
