import type { Command } from 'commander'
import { readOperationConfig } from '../../service/config/operation.js'
import { readCleanupLag } from '../../service/database/figures.js'
import { withClient } from '../../service/database/reach.js'
import { cleanUpThrottle } from '../../service/throttle/throttle.js'
import { withDatabase } from '../database.js'
import type { OpenDatabase } from '../database.js'
import { explainCommand } from '../help.js'
import { duration, Progress } from '../progress.js'
import { EXIT, inThousands, print } from '../terminal.js'
import type { Terminal } from '../terminal.js'

/** Without an end: somebody waits for it. */
const NO_BUDGET = Number.MAX_SAFE_INTEGER

export function addCleanup (program: Command, terminal: Terminal): void {
  const command = program.command('cleanup').description('remove sessions that have expired, and what else is kept for a time only').action(async () => {
    await withDatabase(terminal, async (open) => { await cleanUp(open, terminal) }, { endsItself: true })
  })
  explainCommand(command, {
    notes: [
      'The service does this by itself every SESSION_CLEANUP_INTERVAL seconds. Rows go in batches, so that requests do not wait for it; of many who clean, one works.',
      'On a terminal a bar shows rows, rate and the time that is left; elsewhere a line is written to standard error every ten seconds. Ctrl-C stops it after the batch: what is removed stays removed.'
    ],
    examples: [
      ['silverback cleanup', 'now'],
      ['0 3 * * * silverback cleanup', 'every night, by cron, with SESSION_CLEANUP_INTERVAL=0']
    ]
  })
}

async function cleanUp (open: OpenDatabase, { env, out, err, leave }: Terminal): Promise<void> {
  const { reached, store, signal } = open
  const { eventRetention } = readOperationConfig({ ...env })
  const lag = async () => await withClient(reached.directConnectionString, readCleanupLag)
  const { rows: total } = await lag()
  const startedAt = performance.now()
  const progress = new Progress({ screen: err, label: 'cleanup', total })
  const removed = await store.cleanup({ budgetMs: NO_BUDGET, signal, onBatch: (removed) => { progress.update(removed) } })
  if (total > 0) progress.end(removed)
  await cleanUpRest(open, eventRetention)
  const seconds = (performance.now() - startedAt) / 1000
  print(out, `removed ${inThousands(removed)} expired sessions in ${duration(seconds)}`)
  if (signal.aborted) {
    print(err, 'stopped before the end')
    leave(EXIT.failed)
  } else if (removed < total) {
    const { rows: left } = await lag()
    if (left > 0) print(err, `${inThousands(left)} are left: another process is cleaning, or has locked them`)
  }
}

/** Counted attempts, events and counts over time: few beside the sessions. */
async function cleanUpRest ({ database, events, statistics, signal }: OpenDatabase, retentionSeconds: number): Promise<void> {
  if (!signal.aborted) await cleanUpThrottle(database, signal)
  while (!signal.aborted && await events.cleanup({ retentionSeconds, signal }) > 0); // each run has an end of its own
  if (!signal.aborted) await statistics.cleanup({ retentionSeconds, signal })
}
