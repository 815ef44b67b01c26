/** The side of a process that a run has started and drives by messages: see `ContenderProcess`. */

/**
 * Answers commands; ends with the process that sends them.
 *
 * @param commands by name; each resolves to its answer
 */
export function serveCommands (commands) {
  process.on('SIGINT', () => {}) // of the terminal; the run stops us
  process.on('disconnect', () => { process.exit() })
  process.on('message', async ({ id, command, given }) => {
    try {
      process.send({ id, answer: await commands[command](given) })
    } catch (error) {
      process.send({ id, error: error instanceof Error ? error.stack : String(error) })
    }
  })
}

/** Bytes, after a collection: what is still in use, and what the system has given. */
export async function memory () {
  globalThis.gc()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heapUsed }
}
