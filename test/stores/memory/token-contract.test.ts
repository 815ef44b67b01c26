import t from 'tap'
import { tokenContract } from '../../../src/testing/index.js'
import { memoryTokenHarness } from '../../helpers/token-harness.js'

await t.test('MemoryTokenStore keeps the contract of a store of tokens', async (t) => {
  tokenContract({ test: (title, law) => t.test(title, law), open: memoryTokenHarness })
})
