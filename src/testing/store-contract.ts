import { blockLaws } from './block-laws.js'
import { cleanupLaws } from './cleanup-laws.js'
import { compareLaws } from './compare-laws.js'
import { endingLaws } from './ending-laws.js'
import { expiryLaws } from './expiry-laws.js'
import { failureLaws } from './failure-laws.js'
import type { StoreHarness } from './harness.js'
import { lifeLaws } from './life-laws.js'
import { limitLaws } from './limit-laws.js'
import { renewLaws } from './renew-laws.js'
import { replaceLaws } from './replace-laws.js'
import { saveLaws } from './save-laws.js'
import { userLaws } from './user-laws.js'
import { valueLaws } from './value-laws.js'

export interface StoreContractOptions {
  /** Registers a test of the caller's runner: `(title, law) => t.test(title, law)`, or `test` of `node:test`. */
  readonly test: (title: string, law: () => Promise<void>) => unknown
  /** Opens an empty store. Called once a law. */
  readonly open: () => StoreHarness | Promise<StoreHarness>
}

const LAWS = [
  lifeLaws, valueLaws, saveLaws, compareLaws, expiryLaws, endingLaws, renewLaws, replaceLaws, limitLaws, blockLaws, userLaws, cleanupLaws, failureLaws
].flatMap((laws) => Object.entries(laws))

/**
 * Registers every promise of `Store` as a test of its own, each on a store of its own.
 *
 * Laws do not depend on each other or on their order, sleep nowhere and may run at the same time.
 */
export function storeContract ({ test, open }: StoreContractOptions): void {
  for (const [title, law] of LAWS) {
    test(title, async () => {
      const harness = await open()
      try {
        await law(harness)
      } finally {
        await harness.close()
      }
    })
  }
}
