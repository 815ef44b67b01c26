import { databaseUrlFault } from '../../stores/postgres/connection-string.js'
import { Env } from './env.js'
import type { Secret } from './secret.js'

/** Where the sessions are kept, and who changes the tables. */
export interface DatabaseConfig {
  /** `undefined`: an embedded PostgreSQL. */
  readonly url: Secret | undefined
  /** Past any pooler: for what holds a connection, as listening does. `undefined`: as `url`. */
  readonly directUrl: Secret | undefined
  /** For migrations: of a role that may change tables, and past any pooler. `undefined`: as `directUrl`. */
  readonly migrationUrl: Secret | undefined
  readonly migrateOnStart: boolean
  readonly pooler: 'transaction' | undefined
}

/** Reads what concerns the database. Faults go to `env`. */
export function readDatabase (env: Env): DatabaseConfig {
  const url = readUrl(env, 'DATABASE_URL')
  const directUrl = readUrl(env, 'DATABASE_DIRECT_URL')
  const migrationUrl = readUrl(env, 'DATABASE_MIGRATION_URL')
  const migrateOnStart = env.flag('MIGRATE_ON_START') ?? true
  const pooler = env.choice('DATABASE_POOLER', ['transaction'])
  if (!env.isGiven('DATABASE_URL') && env.isProduction) env.fault('DATABASE_URL is required in production')
  if (!env.isGiven('DATABASE_URL') && directUrl !== undefined) env.fault('DATABASE_DIRECT_URL needs DATABASE_URL')
  if (!env.isGiven('DATABASE_URL') && migrationUrl !== undefined) env.fault('DATABASE_MIGRATION_URL needs DATABASE_URL')
  if (pooler !== undefined && !env.isGiven('DATABASE_DIRECT_URL')) {
    env.fault('DATABASE_POOLER needs DATABASE_DIRECT_URL, which leads past the pooler: nodes listen for revoked tokens on a connection that they hold, and migrations hold a lock of theirs')
  }
  return Object.freeze({ url, directUrl, migrationUrl, migrateOnStart, pooler })
}

/**
 * Reads what a program needs that works on the database alone, such as the one that migrates.
 *
 * @throws ConfigError with all that is wrong
 */
export function readDatabaseConfig (given: NodeJS.ProcessEnv): DatabaseConfig & { readonly isProduction: boolean, readonly dataDir: string } {
  const env = new Env(given)
  const config = { ...readDatabase(env), isProduction: env.isProduction, dataDir: readDataDir(env) }
  env.throwFaults()
  return Object.freeze(config)
}

export function readDataDir (env: Env): string {
  return env.text('DATA_DIR') ?? '.data'
}

function readUrl (env: Env, name: string): Secret | undefined {
  const url = env.secret(name)
  const fault = url === undefined ? null : databaseUrlFault(url.reveal(), env.isProduction)
  if (fault !== null) env.fault(`${name} ${fault}`)
  return url
}
