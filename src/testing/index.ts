/**
 * `silverback/testing`: the promises of a session store, and of a store of refresh tokens, as suites that any runner runs
 * on any store.
 *
 * @module
 */
export { storeContract, type StoreContractOptions } from './store-contract.js'
export type { StoreHarness } from './harness.js'
export { tokenContract, type TokenContractOptions } from './token-contract.js'
export type { TokenHarness } from './token-harness.js'
