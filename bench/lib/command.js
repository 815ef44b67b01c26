/** What every command of bench/ begins and ends with. */

import { publish, readResult } from './publish.js'
import { prepare } from './prepare.js'

const interruption = new AbortController()

/** Fires when the run shall end: whatever goes on asks it between two steps. */
export const interrupted = interruption.signal

/**
 * Runs a command: reads its options, makes what is missing, measures, publishes. Exit code 1 when something failed.
 *
 * @param readOptions gets the arguments; @throws TypeError for a wrong one, which is told with the usage
 * @param measure gets the options; resolves to the result, or to `undefined`: there is none to publish
 * @param failed whether a result is a failure of the run
 */
export async function runCommand ({ usage, readOptions, measure, report, failed = () => false }) {
  // More than once: a terminal tells the whole group, and npm passes it on.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { interruption.abort(new Error(`stopped by ${signal}`)) })
  try {
    const options = readOptions(process.argv.slice(2))
    if (options.help) return console.log(usage)
    refuseShort(options.docs, options.mode)
    if (options.from === undefined) await prepare()
    const result = options.from === undefined ? await measure(options) : await readResult(options.from)
    if (result === undefined) return
    refuseShort(options.docs, result.run.mode)
    await publish(result, report, options)
    if (failed(result)) process.exitCode = 1
  } catch (error) {
    console.error(error instanceof TypeError ? `${error.message}\n\n${usage}` : error)
    process.exitCode = 1
  }
}

/** @throws TypeError for a short run that shall go into the documents */
function refuseShort (docs, mode) {
  if (docs && mode === 'quick') throw new TypeError('--docs: a run with --quick is no measurement')
}

/** Tells who watches how far it is. */
export function say (line) {
  if (process.stderr.isTTY) process.stderr.write(`${line}\n`)
}
