import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Test } from 'tap'
import type { BatchMessage } from '../../src/stores/measures.js'

/** How many sessions go out together with each statement that rotates, from now on until the test is over. */
export function batchSizes (t: Test): number[] {
  const sizes: number[] = []
  const keep = (message: unknown): void => {
    const { kind, size } = message as BatchMessage
    if (kind === 'rotate') sizes.push(size)
  }
  subscribe('silverback:batch', keep)
  t.teardown(() => { unsubscribe('silverback:batch', keep) })
  return sizes
}
