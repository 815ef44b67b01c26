import type { Config } from '../config.js'
import { readDatabaseConfig } from '../config/database.js'
import { ConfigError } from '../config/error.js'
import { EmbeddedPostgresError } from '../embedded-postgres.js'
import { MAKE_DATABASE, reachDatabase, withClient } from '../database/reach.js'
import type { ReachedDatabase } from '../database/reach.js'
import { checkAddress } from './address.js'
import { checkCleanup } from './cleanup.js'
import { checkConfiguration } from './configuration.js'
import { checkCookies } from './cookies.js'
import { checkDatabase } from './database.js'
import { checkFeed } from './feed.js'
import { fault } from './finding.js'
import type { Finding } from './finding.js'
import { checkHot } from './hot.js'
import { checkTls } from './tls.js'

export interface DoctorOptions {
  /** The environment of the service. It stays as it is. */
  readonly env: NodeJS.ProcessEnv
  /** Where browsers reach the service. Absent: that is not looked at. */
  readonly publicUrl?: URL
}

/** Looks at everything and says what is wrong and what to do. What a fault hides is not looked at. Rejects with nothing that a check can tell. */
export async function diagnose ({ env, publicUrl }: DoctorOptions): Promise<Finding[]> {
  const { config, findings } = checkConfiguration({ ...env })
  const found = [...findings]
  if (config !== null) found.push(checkCookies(config))
  if (config !== null && publicUrl !== undefined) found.push(...await checkAddress(publicUrl, config))
  return [...found, ...await checkStorage(env, config)]
}

/** Also where the rest of the configuration is not sound. */
async function checkStorage (env: NodeJS.ProcessEnv, config: Config | null): Promise<Finding[]> {
  let reached: ReachedDatabase
  let tls: Finding[]
  try {
    const database = readDatabaseConfig({ ...env })
    tls = checkTls(database)
    reached = await reachDatabase(database)
  } catch (error) {
    if (error instanceof ConfigError) return [] // told with the configuration
    if (error instanceof EmbeddedPostgresError) return [fault('database', error.message, error.code === 'ERR_DATA_DIR_EMPTY' ? MAKE_DATABASE : 'see the message; the embedded PostgreSQL is for development')]
    throw error
  }
  try {
    return [...tls, ...await checkReached(reached, config)]
  } finally {
    await reached.close()
  }
}

async function checkReached (reached: ReachedDatabase, config: Config | null): Promise<Finding[]> {
  const { usable, answers, findings } = await checkDatabase(reached)
  if (!answers) return [...findings]
  const interval = config?.sessions.options.cleanupInterval
  const rows = !usable ? [] : await withClient(reached.connectionString, async (client) => [await checkCleanup(client, interval), ...await checkHot(client)])
  return [...findings, ...rows, await checkFeed(reached)]
}
