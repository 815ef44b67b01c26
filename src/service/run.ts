import closeWithGrace from 'close-with-grace'
import type { FastifyBaseLogger } from 'fastify'
import { readConfig } from './config.js'
import type { Config } from './config.js'
import { ConfigError } from './config/error.js'
import { EmbeddedPostgresError } from './embedded-postgres.js'
import { KeysFileError } from './keys.js'
import { createLog } from './log.js'
import { startService } from './service.js'
import { StartError } from './start-error.js'

/** Longer than the stop of the service takes; after it the process ends all the same. */
const STOP_MS = 12_000

/**
 * Starts the service as the environment says. Resolves when it runs, to `null`; a signal ends it and the process. Resolves
 * to one line or a list, without secrets, when it cannot start for a cause that whoever starts it can mend.
 */
export async function runService (env: NodeJS.ProcessEnv): Promise<string | null> {
  try {
    const config = readConfig(env)
    await run(config, createLog(config.logLevel))
    return null
  } catch (error) {
    if (!isExpected(error)) throw error
    return `silverback cannot start: ${error.message}`
  }
}

/** Runs until a signal; a second one ends the process at once. An error that nobody has caught is logged, not fatal. */
async function run (config: Config, log: FastifyBaseLogger): Promise<void> {
  process.on('unhandledRejection', (err) => { log.error({ err }, 'an error that nobody has caught') })
  const starting = startService(config, log)
  const grace = closeWithGrace({ delay: STOP_MS, skip: ['unhandledRejection'], logger: { error: (what: unknown) => { log.error(what) } } }, async ({ signal, err }) => {
    if (err !== undefined) log.fatal({ err }, 'stopping after an error that nobody has caught')
    else log.info(`stopping (${signal ?? 'nothing left to do'})`)
    const service = await starting.catch(() => null)
    await service?.stop()
    log.info('stopped')
  })
  try {
    const { url } = await starting
    log.info(`silverback runs at ${url}`)
  } catch (error) {
    grace.uninstall()
    throw error
  }
}

/** What whoever starts the service can mend: said in one line, without a stack. */
function isExpected (error: unknown): error is Error {
  return error instanceof ConfigError || error instanceof EmbeddedPostgresError || error instanceof KeysFileError ||
    error instanceof StartError || (error instanceof Error && 'syscall' in error) // what the system refuses besides
}
