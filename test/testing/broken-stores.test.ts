import t from 'tap'
import { StoreError } from '../../src/core/errors.js'
import type { Store } from '../../src/session/store.js'
import { storeContract, type StoreHarness } from '../../src/testing/index.js'
import { memoryHarness } from '../helpers/memory-harness.js'
import { BEGINNING, ENDING, MANAGING } from './broken-endings.js'
import { altered, COMPARING, READING, SAVING } from './broken-stores.js'
import { CAUGHT_BY } from './caught-by.js'

interface Verdict { readonly title: string, readonly broken: boolean }

/** Runs the contract with a runner of its own and tells of each law whether it was broken. */
async function judge (open: () => StoreHarness): Promise<Verdict[]> {
  const laws: Promise<Verdict>[] = []
  storeContract({
    open,
    test (title, law) {
      laws.push(law().then(() => ({ title, broken: false }), () => ({ title, broken: true })))
    }
  })
  return await Promise.all(laws)
}

const brokenLaws = (verdicts: readonly Verdict[]): string[] => verdicts.filter(({ broken }) => broken).map(({ title }) => title)

await t.test('the contract has laws, each with a title of its own', async (t) => {
  const titles = (await judge(() => memoryHarness())).map(({ title }) => title)
  t.ok(titles.length > 100, `${titles.length} laws`)
  t.equal(new Set(titles).size, titles.length)
})

await t.test('a sound store breaks no law, nor does one that is wrapped', async (t) => {
  t.strictSame(brokenLaws(await judge(() => memoryHarness())), [])
  t.strictSame(brokenLaws(await judge(() => memoryHarness((store) => altered(store, {})))), [])
})

const BUGS = { ...SAVING, ...COMPARING, ...READING, ...BEGINNING, ...ENDING, ...MANAGING }

await t.test('for every bug it is said which law is there for it', async (t) => {
  t.strictSame(Object.keys(CAUGHT_BY).toSorted(), Object.keys(BUGS).toSorted())
})

for (const [bug, make] of Object.entries(BUGS)) {
  await t.test(`a store is found out in which ${bug}`, async (t) => {
    const laws = brokenLaws(await judge(() => memoryHarness(make)))
    t.ok(laws.includes(CAUGHT_BY[bug] ?? ''), `caught by: ${CAUGHT_BY[bug]}`, { laws })
  })
}

/** A harness whose storage can be broken; `outage` is what its store then does. */
function fragile (outage: (method: keyof Store) => Promise<never>): StoreHarness {
  let broken = false
  const harness = memoryHarness((store) => new Proxy(altered(store, {}), {
    get (methods, name: keyof Store) {
      return broken && name !== 'close' ? () => outage(name) : methods[name]
    }
  }))
  return { ...harness, async breakStorage () { broken = true } }
}

const FAILURE_LAW = 'when the storage fails, every method rejects with ERR_STORE and its cause'

await t.test('a store that fails as it should breaks no law', async (t) => {
  t.strictSame(brokenLaws(await judge(() => fragile(async (method) => { throw new StoreError(method, new Error('no connection')) }))), [])
})

await t.test('a store is found out that lets the driver\'s error through', async (t) => {
  t.strictSame(brokenLaws(await judge(() => fragile(async () => { throw new Error('no connection') }))), [FAILURE_LAW])
})

await t.test('a store is found out that hides the cause', async (t) => {
  t.strictSame(brokenLaws(await judge(() => fragile(async (method) => { throw new StoreError(method) }))), [FAILURE_LAW])
})

await t.test('a store is found out in which one method takes a failed storage for "gone"', async (t) => {
  const laws = brokenLaws(await judge(() => {
    const harness = fragile(async (method) => { throw new StoreError(method, new Error('no connection')) })
    return { ...harness, store: altered(harness.store, { get: (id) => harness.store.get(id).catch(() => null) }) }
  }))
  t.strictSame(laws, [FAILURE_LAW])
})
