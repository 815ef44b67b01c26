/**
 * A contender's process: `node contender-main.js <name>`, driven by messages of `ContenderProcess`.
 *
 * @module
 */
import { Session } from 'node:inspector/promises'
import { memory, serveCommands } from './commands.js'
import { fromRoot } from './root.js'

const contender = await import(`../contenders/${process.argv[2]}.js`)

let app
let profiler
const { Client } = fromRoot('pg')
const plainQuery = Client.prototype.query
let statements = 0

serveCommands({
  memory,
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
})
