import { tokenAccessLaws } from './token-access-laws.js'
import { tokenCaseLaws } from './token-case-laws.js'
import { tokenEndingLaws } from './token-ending-laws.js'
import { tokenFailureLaws } from './token-failure-laws.js'
import type { TokenHarness } from './token-harness.js'
import { tokenLifeLaws } from './token-life-laws.js'
import { tokenWatchLaws } from './token-watch-laws.js'

export interface TokenContractOptions {
  /** Registers a test of the caller's runner: `(title, law) => t.test(title, law)`, or `test` of `node:test`. */
  readonly test: (title: string, law: () => Promise<void>) => unknown
  /** Opens empty stores. Called once a law. */
  readonly open: () => TokenHarness | Promise<TokenHarness>
}

const LAWS = [tokenLifeLaws, tokenCaseLaws, tokenEndingLaws, tokenAccessLaws, tokenWatchLaws, tokenFailureLaws].flatMap((laws) => Object.entries(laws))

/**
 * Registers every promise of `TokenStore` as a test of its own, each on stores of its own.
 *
 * Laws do not depend on each other or on their order, sleep nowhere and may run at the same time.
 */
export function tokenContract ({ test, open }: TokenContractOptions): void {
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
