/**
 * A contender's process: `node contender-main.js <name>`, driven by messages of `ContenderProcess`.
 *
 * Ends with the process that started it.
 *
 * @module
 */
import { Session } from 'node:inspector/promises'
import { fromRoot } from './root.js'

const contender = await import(`../contenders/${process.argv[2]}.js`)
process.on('SIGINT', () => {}) // of the terminal; the run stops us
process.on('disconnect', () => { process.exit() })

let app
let profiler
const { Client } = fromRoot('pg')
const plainQuery = Client.prototype.query
let statements = 0

/** What can be asked for. Each resolves to the answer. */
const COMMANDS = {
  async start (setup) {
    app = await contender.start(setup)
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: Number(new URL(address).port), hasSessions: contender.hasSessions, workloads: contender.workloads }
  },
  /** Microseconds that the process has computed so far. */
  async cpu () {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Begins to count what is sent to PostgreSQL, by every pool in the process. Not while anything is measured. */
  async startCounting () {
    statements = 0
    Client.prototype.query = function (...args) {
      statements++
      return Reflect.apply(plainQuery, this, args)
    }
  },
  async stopCounting () {
    Client.prototype.query = plainQuery
    return statements
  },
  async startProfile () {
    profiler = new Session()
    profiler.connect()
    await profiler.post('Profiler.enable')
    await profiler.post('Profiler.setSamplingInterval', { interval: 250 })
    await profiler.post('Profiler.start')
  },
  async stopProfile () {
    const { profile } = await profiler.post('Profiler.stop')
    profiler.disconnect()
    return profile
  },
  async stop () {
    await app?.close()
  }
}

process.on('message', async ({ id, command, given }) => {
  try {
    process.send({ id, answer: await COMMANDS[command](given) })
  } catch (error) {
    process.send({ id, error: error instanceof Error ? error.stack : String(error) })
  }
})
