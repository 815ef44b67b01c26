import { readDatabase, readDataDir } from './config/database.js'
import type { DatabaseConfig } from './config/database.js'
import { isLocal } from '../stores/postgres/connection-string.js'
import { Env } from './config/env.js'
import { readOperation } from './config/operation.js'
import type { OperationConfig } from './config/operation.js'
import { readSessions } from './config/sessions.js'
import type { SessionsConfig } from './config/sessions.js'
import { readTokens } from './config/tokens.js'
import type { TokensConfig } from './config/tokens.js'
import { readTrustProxy } from './config/trust-proxy.js'
import type { TrustProxy } from './config/trust-proxy.js'
import { readUsers } from './config/users.js'
import type { UsersConfig } from './config/users.js'

/** What the service does, as the environment says. Frozen; secrets in it print as `[redacted]`. */
export interface Config {
  readonly isProduction: boolean
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** The folder for what the service keeps itself: keys made in development, the embedded PostgreSQL. */
  readonly dataDir: string
  readonly database: DatabaseConfig
  readonly sessions: SessionsConfig
  readonly tokens: TokensConfig
  readonly users: UsersConfig
  readonly operation: OperationConfig
  readonly trustProxy: TrustProxy
  readonly logLevel: LogLevel
  /** What is allowed and should be seen to; lines without values. */
  readonly warnings: readonly string[]
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = typeof LOG_LEVELS[number]

/** The variables that hold a secret. Each can be read from a file that the variable with `_FILE` at its end names. */
export const SECRETS = [
  'DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_MIGRATION_URL', 'SESSION_AUTH_KEYS', 'SESSION_ENCRYPTION_KEYS', 'TOKEN_SIGNING_KEYS', 'TOKEN_REFRESH_KEYS'
] as const

/** Every variable that is read. `.env.example` lists the same. */
export const VARIABLES = [
  'NODE_ENV', 'HOST', 'PORT', 'DATA_DIR', 'LOG_LEVEL', 'TRUST_PROXY', 'TRUSTED_ORIGINS', 'MIGRATE_ON_START', 'DATABASE_POOLER',
  'SESSION_COOKIE_NAME', 'SESSION_SECURE', 'SESSION_SAME_SITE', 'SESSION_DOMAIN', 'SESSION_MAX_AGE', 'SESSION_ABSOLUTE_MAX_AGE',
  'SESSION_REFRESH_INTERVAL', 'SESSION_CLEANUP_INTERVAL', 'MAX_SESSIONS_PER_USER', 'TOKEN_ISSUER', 'TOKEN_AUDIENCE', 'ACCESS_TOKEN_TTL',
  'REFRESH_TOKEN_TTL', 'REFRESH_ABSOLUTE_TTL', 'REFRESH_MIN_AGE', 'REFRESH_STRAGGLER_WINDOW', 'RATE_LIMIT', 'ADMIN_EMAILS', 'CLEAR_SITE_DATA',
  'METRICS', 'EVENT_RETENTION',
  ...SECRETS, ...SECRETS.map((name) => `${name}_FILE`)
]

/** What others set: Kubernetes for services called "session" and "database", and every X11 desktop. */
const FOREIGN = /_SERVICE_HOST$|_SERVICE_PORT(?:_|$)|_PORT(?:_|$)|^SESSION_MANAGER$/
const SLIPS = { prefix: /^(?:SESSION|DATABASE|TOKEN|REFRESH)_/, foreign: FOREIGN }
const PORTS = 'a whole number from 0 to 65535'

/**
 * Reads the configuration from an environment, the only source there is. Removes the secrets from `process.env`.
 *
 * @throws ConfigError with all that is wrong, by the names of the variables and without their values
 */
export function readConfig (given: NodeJS.ProcessEnv): Config {
  const env = new Env(given)
  env.refuseSlips(VARIABLES, SLIPS)
  const host = env.text('HOST') ?? '127.0.0.1'
  const port = readPort(env)
  const database = readDatabase(env)
  const sessions = readSessions(env, { isLoopback: isLocal(host) })
  if (env.isProduction && !env.isGiven('SESSION_AUTH_KEYS')) env.fault('SESSION_AUTH_KEYS is required in production; make one with: openssl rand -base64 32')
  const tokens = readTokens(env, { port, sessions })
  const users = readUsers(env)
  const operation = readOperation(env)
  const trustProxy = readTrustProxy(env)
  if (env.isProduction && trustProxy === false) env.warnings.push('TRUST_PROXY is off: behind a proxy every request seems to come from its address, over http')
  const logLevel = env.choice('LOG_LEVEL', LOG_LEVELS) ?? 'info'
  const dataDir = readDataDir(env)
  env.throwFaults()
  return Object.freeze({ isProduction: env.isProduction, host, port, dataDir, database, sessions, tokens, users, operation, trustProxy, logLevel, warnings: Object.freeze(env.warnings) })
}

function readPort (env: Env): number {
  const port = env.number('PORT', PORTS) ?? 3000
  if (!Number.isInteger(port) || port > 65_535) env.fault(`PORT must be ${PORTS}`)
  return port
}
