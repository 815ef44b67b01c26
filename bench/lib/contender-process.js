import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('contender-main.js', import.meta.url))
/** Connections of each contender's pool: the default of pg, and Silverback's. */
export const MAX = 10
const STOP_WITHIN_MS = 5_000

/** A contender, or another program that answers commands, in a process of its own. The fields below `name` are there once it has started. */
export class ContenderProcess {
  #child
  #waiting = new Map()
  #lastId = 0
  name
  port
  hasSessions
  workloads
  /** Its clients, kept from one measurement to the next: see `visitors.js`. */
  visitors

  /** @param main the program; `serveCommands` is in it */
  constructor (name, main = MAIN) {
    this.name = name
    this.#child = fork(main, [name], { serialization: 'json', execArgv: ['--expose-gc'], env: { ...process.env, NODE_ENV: 'production' } })
    this.#child.on('message', ({ id, answer, error }) => {
      const { resolve, reject } = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) resolve(answer)
      else reject(new Error(`${name}: ${error}`))
    })
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process of ${name} ended (${signal ?? code})`))
      this.#waiting.clear()
    })
  }

  /**
   * Starts the process and the application in it, on a database.
   *
   * @param secret the same for nodes that shall accept each other's cookies. Default: a random one
   */
  static async open (name, connectionString, { main, secret = randomBytes(32).toString('base64') } = {}) {
    const contender = new ContenderProcess(name, main)
    try {
      await contender.start({ connectionString, max: MAX, secret })
      return contender
    } catch (error) {
      await contender.stop()
      throw error
    }
  }

  /** @param setup what each contender's `start` gets: `connectionString`, `max`, `secret` */
  async start (setup) {
    Object.assign(this, await this.ask('start', setup))
  }

  /** Has the process do one of its commands, such as those of `contender-main.js`. */
  ask (command, given) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, command, given }, (error) => { if (error) reject(error) })
    })
  }

  /** Closes the application and ends the process, by force after five seconds. */
  async stop () {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    const timeout = new AbortController()
    const tooLong = pause(STOP_WITHIN_MS, undefined, { signal: timeout.signal }).catch(() => {})
    await Promise.race([this.ask('stop').catch(() => {}), tooLong])
    if (child.connected) child.disconnect()
    await Promise.race([exited, tooLong])
    timeout.abort()
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exited
  }
}
