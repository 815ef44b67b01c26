import { setTimeout as pause } from 'node:timers/promises'
import { judge, unreachable } from './database/health.js'
import type { Facts, Health } from './database/health.js'
import { migrateUp } from './database/migrations.js'
import { Probe } from './database/probe.js'

/** What the readiness says, and to whom. Pino is one. */
export interface ReadinessLog {
  info (message: string): void
  warn (facts: object, message: string): void
  error (facts: object, message: string): void
}

export interface ReadinessOptions {
  readonly connectionString: string
  /** Of a role that may change tables; not through a pooler. */
  readonly migrationConnectionString: string
  readonly migrateOnStart: boolean
  readonly pooler: 'transaction' | undefined
  /** Why the database has gone for good; `null`: it has not. Default: always `null`. */
  readonly lost?: () => string | null
  readonly log: ReadinessLog
}

/** Whether the service can work. */
export interface Readiness {
  /** The database was reached and its tables fit, once at least. Stays `true`. */
  readonly isReady: boolean
  /** Looks at the database now. Never rejects. */
  check (): Promise<Health>
  /** Ends the attempts to become ready, and the connection of the checks. */
  close (): Promise<void>
}

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 3_000
const NOT_RUN = 'the migrations could not be run'

/**
 * Tries in the background until the database answers and its tables fit, migrating them where that is wanted, however
 * long it takes. The pauses between attempts grow to three seconds, jittered.
 *
 * @throws TypeError when the connection string cannot be read
 */
export function watchDatabase (options: ReadinessOptions): Readiness {
  const { connectionString, pooler, log, lost = () => null } = options
  const probe = new Probe({ connectionString, pooler: pooler !== undefined })
  const stopped = new AbortController()
  const tell = teller(log)
  let isReady = false

  const healthOf = async (facts: Promise<Facts>): Promise<Health> => {
    const health = await facts.then((found) => judge(found, isReady), unreachable)
    const reason = lost()
    return reason === null ? health : { ...health, reasons: [reason] }
  }
  const check = async (): Promise<Health> => {
    const health = await healthOf(probe.look())
    isReady ||= health.reasons.length === 0 // who is told that it is ready can go on to use it
    if (isReady && !stopped.signal.aborted) tell(health) // until then the attempts tell
    return health
  }
  const becomeReady = async (): Promise<void> => {
    for (let pauseMs = FIRST_PAUSE_MS; !stopped.signal.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const health = await attempt(options, async () => await healthOf(probe.lookAfresh()))
      if (stopped.signal.aborted) return
      tell(health)
      isReady ||= health.reasons.length === 0
      if (isReady) return
      await pause(pauseMs * (0.5 + Math.random()), undefined, { signal: stopped.signal }).catch(() => { /* the loop ends */ })
    }
  }
  void becomeReady()
  return {
    get isReady () { return isReady },
    check,
    async close () {
      stopped.abort()
      await probe.close() // a migration under way is cut with the process: it is one transaction
    }
  }
}

/**
 * One attempt. It looks first, so that a database that is down costs no more than a look; and again after migrating, for
 * another service that started at the same time may have done it.
 */
async function attempt ({ migrateOnStart, migrationConnectionString, log }: ReadinessOptions, look: () => Promise<Health>): Promise<Health> {
  const health = await look()
  if (!migrateOnStart || health.cause !== undefined) return health
  const lookAgain = async (): Promise<Health> => health.reasons.length === 0 ? health : await look()
  try {
    const ran = await migrateUp(migrationConnectionString)
    if (ran.length > 0) log.info(`migrated: ${ran.join(', ')}`)
    return await lookAgain()
  } catch (cause) {
    const { reasons, warnings } = await lookAgain()
    const isReady = reasons.length === 0
    return { reasons: isReady ? [] : [NOT_RUN, ...reasons], warnings: isReady ? [NOT_RUN, ...warnings] : warnings, cause }
  }
}

/** Logs what has changed since it was told last, not every look. */
function teller (log: ReadinessLog): (health: Health) => void {
  let told = 'nothing yet'
  return ({ reasons, warnings, cause }) => {
    const news = [...reasons, ...warnings].join('; ')
    if (news === told) return
    told = news
    if (reasons.length > 0) log.error({ err: cause, reasons }, `not ready: ${news}`)
    else if (warnings.length > 0) log.warn({ err: cause, warnings }, news)
    else log.info('the database is ready')
  }
}
