import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { StoreHarness } from '../../src/testing/index.js'
import { memoryHarness } from '../helpers/memory-harness.js'
import { postgresHarnesses } from '../helpers/postgres-harness.js'
import { type Call, isRecord, type Known, type Operation, operation, told } from './operations.js'
import { StoreModel } from './store-model.js'

/** `SEED=<n>` repeats a run that failed; fast-check's message tells the number. */
const SEED = process.env['SEED']
const PARAMETERS = { includeErrorInReport: true, ...(SEED !== undefined && { seed: Number(SEED) }) }

class Run {
  readonly #model = new StoreModel()
  readonly #harness: StoreHarness
  readonly #known: Known[] = []
  readonly #history: string[] = []

  constructor (harness: StoreHarness) {
    this.#harness = harness
  }

  async perform (operation: Operation): Promise<void> {
    const next = operation(this.#known)
    if ('run' in next) return await this.#call(next)
    if (next.advance === 0) return
    this.#history.push(`advance ${next.advance}`)
    this.#model.advance(next.advance)
    await this.#harness.advance(next.advance)
  }

  /** What cleanup finds; then every user, and every session ever begun. */
  async finish (): Promise<void> {
    const most = await this.#model.cleanup()
    const count = await this.#harness.store.cleanup({ batchSize: 2 })
    assert.ok(count <= most && count >= most - this.#model.doubtful.size, this.#say(`cleanup removed ${count}, not ${most}`))
    assert.equal(await this.#harness.store.cleanup(), 0, this.#say('a second cleanup should find nothing'))
    for (const user of ['ada', 'bob']) await this.#call({ text: `finally listByUser ${user}`, run: (store) => store.listByUser(user) })
    for (const { id } of this.#known.slice()) await this.#call({ text: `finally get ${id}`, run: (store) => store.get(id) })
  }

  async #call ({ text, run }: Call): Promise<void> {
    this.#history.push(text)
    const expected = await run(this.#model)
    const answer = await run(this.#harness.store)
    assert.deepEqual(told(answer), told(expected), this.#say('the answer should be the model\'s'))
    if (isRecord(expected)) this.#learn(expected)
  }

  #learn (record: Known): void {
    const at = this.#known.findIndex(({ id }) => id === record.id)
    if (at >= 0) this.#known.splice(at, 1)
    this.#known.push(record)
  }

  #say (what: string): string {
    return `${what}, after\n${this.#history.join('\n')}`
  }
}

const agrees = (open: () => StoreHarness | Promise<StoreHarness>, { maxLength }: { maxLength: number }) =>
  fc.asyncProperty(fc.array(operation, { maxLength, size: 'max' }), async (operations) => {
    const harness = await open()
    try {
      const run = new Run(harness)
      for (const operation of operations) await run.perform(operation)
      await run.finish()
    } finally {
      await harness.close()
    }
  })

await t.test('any sequence of operations on the memory store is answered as by the model', async () => {
  await fc.assert(agrees(() => memoryHarness(), { maxLength: 60 }), { ...PARAMETERS, numRuns: 1000 })
})

await t.test('any sequence of operations on the PostgreSQL store is answered as by the model', async (t) => {
  const open = await postgresHarnesses(t)
  await fc.assert(agrees(open, { maxLength: 40 }), { ...PARAMETERS, numRuns: 80 })
})
