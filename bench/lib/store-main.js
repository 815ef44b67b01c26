/** A process with a PostgresStore and callers in it: `node store-main.js <name>`, driven by messages of `ContenderProcess`. */

import { memory, serveCommands } from './commands.js'
import { sessionOf, userOf } from './fill.js'
import { loop } from './loop.js'
import { urlOf } from './root.js'

const IDLE_SECONDS = 14 * 86_400

let store

/** Each gets the number of sessions in the table, and draws one of them. @throws Error when the answer is not that of a live session */
const OPERATIONS = {
  async get (count) {
    const { id } = sessionOf(drawn(count))
    check('get', await store.get(id) !== null)
  },
  async save (count) {
    const { id, secretHash } = sessionOf(drawn(count))
    check('save', await store.save(id, secretHash, { set: { n: drawn(count) }, unset: [], idleSeconds: IDLE_SECONDS }) !== null)
  },
  async slide (count) {
    const { id, secretHash } = sessionOf(drawn(count))
    check('slide', await store.save(id, secretHash, { set: {}, unset: [], idleSeconds: IDLE_SECONDS }) !== null)
  },
  async listByUser (count) {
    check('listByUser', (await store.listByUser(userOf(drawn(count)))).length > 0)
  }
}

serveCommands({
  memory,
  async start ({ connectionString, max }) {
    const { PostgresStore } = await import(urlOf('dist/index.js'))
    store = new PostgresStore({ connectionString, max })
    return {}
  },
  async run ({ operation, count, callers, seconds }) {
    return await loop({ callers, seconds }, () => OPERATIONS[operation](count))
  },
  /** Resolves to how many went and the seconds that it took. */
  async cleanup () {
    const startedAt = performance.now()
    const removed = await store.cleanup({ budgetMs: 600_000 })
    return { removed, seconds: (performance.now() - startedAt) / 1_000 }
  },
  async stop () {
    await store?.close()
  }
})

const drawn = (count) => Math.floor(Math.random() * count)

function check (operation, isRight) {
  if (!isRight) throw new Error(`${operation} found no session where there is one`)
}
