/**
 * `npm run bench:conditions`: what Silverback keeps to while it is loaded, each judged by the specification's limit.
 *
 * @module
 */
import * as cleanup from './conditions/cleanup.js'
import * as fairness from './conditions/fairness.js'
import * as hot from './conditions/hot.js'
import * as revocation from './conditions/revocation.js'
import { COMMON_USAGE, namesOf, numberOf, readFlags } from './lib/arguments.js'
import { interrupted, runCommand, say } from './lib/command.js'
import { reportOf } from './lib/conditions-report.js'
import { startDatabase } from './lib/database.js'
import { describeMachine, loadAverage } from './lib/machine.js'

const CONDITIONS = { fairness, cleanup, hot, revocation }

const USAGE = `npm run bench:conditions -- [options]

  --quick                 half a minute: to see that all works
  --only a,b              of: ${Object.keys(CONDITIONS).join(', ')}
  --expired 1000000       sessions for the cleanup to remove
${COMMON_USAGE}`

const PRESETS = {
  quick: { mode: 'quick', rounds: 1, seconds: 1, baseSeconds: 2, warmUpSeconds: 0.3, visitors: 200, expired: 20_000, revocations: 30 },
  default: { mode: 'default', rounds: 5, seconds: 5, baseSeconds: 20, warmUpSeconds: 1, visitors: 1_000, expired: 1_000_000, revocations: 500 }
}

const report = reportOf(CONDITIONS)

await runCommand({ usage: USAGE, readOptions, measure, report, failed: ({ figures }) => report.rowsOf(figures).some(({ met }) => !met) })

function readOptions (args) {
  const { quick, only, expired, ...common } = readFlags(args, { quick: { type: 'boolean' }, only: { type: 'string' }, expired: { type: 'string' } })
  const preset = PRESETS[quick ? 'quick' : 'default']
  return { ...preset, ...common, only: namesOf('only', only, Object.keys(CONDITIONS)), expired: numberOf('expired', expired ?? preset.expired, 1, 100_000_000) }
}

async function measure ({ only, help, docs, from, ...options }) {
  const before = loadAverage()
  const database = await startDatabase({ log_lock_waits: 'on', deadlock_timeout: `${cleanup.LOCK_WAIT_MS}ms` })
  try {
    const figures = {}
    for (const name of only) {
      interrupted.throwIfAborted()
      say(`${name} …`)
      figures[name] = await CONDITIONS[name].measure({ database, options })
      say(CONDITIONS[name].tell(figures[name]))
    }
    return { machine: { ...describeMachine(), postgres: await database.describe(), loadAverage: [before, loadAverage()] }, run: options, figures }
  } finally {
    await database.stop()
  }
}
