import { readDatabaseConfig } from '../service/config/database.js'
import { reachDatabase } from '../service/database/reach.js'
import type { ReachedDatabase, ReachOptions } from '../service/database/reach.js'
import { EventLog } from '../service/events/event-log.js'
import type { EventLogOptions } from '../service/events/event-log.js'
import { Statistics } from '../service/stats/statistics.js'
import { UserStore } from '../service/users/user-store.js'
import { openPool } from '../stores/postgres/pool.js'
import { Database } from '../stores/postgres/query.js'
import { PostgresStore } from '../stores/postgres/store.js'
import { explain } from './explain.js'
import { InterruptedError, print } from './terminal.js'
import type { Terminal } from './terminal.js'

/** The database with all that commands do in it. */
export interface OpenDatabase {
  readonly reached: ReachedDatabase
  readonly database: Database
  readonly store: PostgresStore
  readonly users: UserStore
  /** For what the command does. Written before the command ends. */
  readonly events: EventLog
  readonly statistics: Statistics
  /** Whoever runs the command wants no more. */
  readonly signal: AbortSignal
}

/** What events of the command line say of whoever acts. */
export const COMMAND_LINE = 'command line'

const CONNECTIONS = 3
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

interface WorkOptions extends ReachOptions {
  /** The work looks at its signal, and ends in order. Default `false`: Ctrl-C leaves it as it is. */
  readonly endsItself?: boolean
}

/**
 * Works on the database of the environment; one that was started for it is stopped again, after Ctrl-C, too.
 *
 * @throws ConfigError, EmbeddedPostgresError, InterruptedError; what `work` throws
 */
export async function withReached<T> (env: NodeJS.ProcessEnv, work: (reached: ReachedDatabase, signal: AbortSignal) => Promise<T>, { endsItself = false, ...reach }: WorkOptions = {}): Promise<T> {
  const stop = new AbortController()
  const interrupted = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => { if (!endsItself) reject(new InterruptedError()) })
  })
  interrupted.catch(() => { /* nobody may wait for it yet */ })
  const onSignal = (): void => { stop.abort() }
  for (const signal of SIGNALS) process.once(signal, onSignal) // before anything is started that would have to be stopped
  let reached: ReachedDatabase | null = null
  try {
    reached = await reachDatabase(readDatabaseConfig({ ...env }), reach)
    if (stop.signal.aborted) throw new InterruptedError()
    return await Promise.race([work(reached, stop.signal), interrupted])
  } finally {
    await reached?.close()
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

/** The same, with the stores of the service. */
export async function withDatabase<T> ({ env, err }: Terminal, work: (open: OpenDatabase) => Promise<T>, options?: WorkOptions): Promise<T> {
  return await withReached(env, async (reached, signal) => {
    const { connectionString, pooler } = reached
    const { pool, close } = openPool(connectionString, { max: CONNECTIONS, pooler: pooler !== undefined })
    const database = new Database({ pool, named: pooler === undefined })
    const store = new PostgresStore({ pool, ...(pooler !== undefined && { pooler }) })
    const log = logTo(err)
    const events = new EventLog({ database, log })
    const statistics = new Statistics({ database, log })
    try {
      return await work({ reached, database, store, users: new UserStore(database), events, statistics, signal })
    } finally {
      await Promise.all([events.close(), statistics.close()])
      await store.close()
      await close()
    }
  }, options)
}

/** What is worth a line on a terminal. */
function logTo (err: Terminal['err']): EventLogOptions['log'] {
  const tell = (facts: unknown, message?: string): void => {
    const cause = typeof facts === 'object' && facts !== null && 'err' in facts ? `: ${explain(facts.err)}` : ''
    print(err, `silverback: ${message ?? String(facts)}${cause}`)
  }
  return { info: () => {}, warn: tell, error: tell }
}
