/**
 * `silverback/testing`: the promises of a session store as a suite that any runner runs on any store.
 *
 * @module
 */
export { storeContract, type StoreContractOptions } from './store-contract.js'
export type { StoreHarness } from './harness.js'
