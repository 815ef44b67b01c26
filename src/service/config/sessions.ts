import { randomBytes } from 'node:crypto'
import { parseKeys, rejectSharedKeys } from '../../core/keys.js'
import { resolveManagerOptions } from '../../session/options.js'
import type { ManagerOptions } from '../../session/options.js'
import { acceptEach, isAccepted } from './accepted.js'
import type { Env } from './env.js'
import type { Secret } from './secret.js'

/** What the environment says about sessions. */
export interface SessionsConfig {
  /** `undefined`: made in development and kept, see `keys.ts`. */
  readonly authKeys: Secret | undefined
  /** `undefined`: cookies are signed alone. */
  readonly encryptionKeys: Secret | undefined
  /** Options of the plugin, those that were given. */
  readonly options: Omit<ManagerOptions, 'authKey' | 'sealer' | 'log'> & { readonly secure: boolean }
}

/** The options that have a variable, by their names in messages. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['secure', 'SESSION_SECURE'],
  ['domain', 'SESSION_DOMAIN'],
  ['csrf.trustedOrigins', 'TRUSTED_ORIGINS'],
  ['sameSite', 'SESSION_SAME_SITE'],
  ['sessionName', 'SESSION_COOKIE_NAME'],
  ['maxAge', 'SESSION_MAX_AGE'],
  ['absoluteMaxAge', 'SESSION_ABSOLUTE_MAX_AGE'],
  ['refreshInterval', 'SESSION_REFRESH_INTERVAL'],
  ['cleanupInterval', 'SESSION_CLEANUP_INTERVAL'],
  ['maxSessionsPerUser', 'MAX_SESSIONS_PER_USER'],
  ...['SESSION_AUTH_KEYS', 'SESSION_ENCRYPTION_KEYS'].map((name) => [name, name] as const)
])

/** Reads what concerns sessions. Faults go to `env`. */
export function readSessions (env: Env, { isLoopback }: { isLoopback: boolean }): SessionsConfig {
  return Object.freeze({ ...readKeys(env), options: readOptions(env, env.isProduction || !isLoopback) })
}

function readOptions (env: Env, secureByDefault: boolean): SessionsConfig['options'] {
  const secure = env.flag('SESSION_SECURE') ?? secureByDefault
  if (env.isProduction && !secure) env.fault('SESSION_SECURE must not be off in production: anybody on the way could read the cookie')
  const domain = env.text('SESSION_DOMAIN')
  const trustedOrigins = env.list('TRUSTED_ORIGINS')
  const sameSite = env.choice('SESSION_SAME_SITE', ['lax', 'strict', 'none'])
  const sessionName = env.text('SESSION_COOKIE_NAME')
  const maxAge = env.number('SESSION_MAX_AGE')
  const absoluteMaxAge = env.number('SESSION_ABSOLUTE_MAX_AGE')
  const refreshInterval = env.number('SESSION_REFRESH_INTERVAL')
  const cleanupInterval = env.number('SESSION_CLEANUP_INTERVAL')
  const maxSessionsPerUser = env.number('MAX_SESSIONS_PER_USER')
  const given: Partial<SessionsConfig['options']>[] = [
    domain === undefined ? {} : { domain },
    trustedOrigins === undefined ? {} : { csrf: { trustedOrigins } },
    sameSite === undefined ? {} : { sameSite },
    sessionName === undefined ? {} : { sessionName },
    maxAge === undefined ? {} : { maxAge },
    absoluteMaxAge === undefined ? {} : { absoluteMaxAge },
    refreshInterval === undefined ? {} : { refreshInterval },
    cleanupInterval === undefined ? {} : { cleanupInterval },
    maxSessionsPerUser === undefined ? {} : { maxSessionsPerUser }
  ]
  if (sessionName !== undefined && OTHER_COOKIES.test(sessionName)) env.fault('SESSION_COOKIE_NAME must not be the name of another cookie of this service')
  return acceptEach<SessionsConfig['options']>({ secure: secure || env.isProduction }, given,
    (options) => isAccepted(env, VARIABLES, () => { resolveManagerOptions({ ...options, authKey: STAND_IN }) }))
}

/** Of access tokens, refresh tokens and known devices. */
const OTHER_COOKIES = /^(?:__Host-)?(?:at|rt|kd)$/i
/** The keys are judged apart from the options. */
const STAND_IN = randomBytes(32)

function readKeys (env: Env): Pick<SessionsConfig, 'authKeys' | 'encryptionKeys'> {
  const authKeys = env.secret('SESSION_AUTH_KEYS')
  const encryptionKeys = env.secret('SESSION_ENCRYPTION_KEYS')
  const auth = judgeKeys(env, 'SESSION_AUTH_KEYS', authKeys)
  const encryption = judgeKeys(env, 'SESSION_ENCRYPTION_KEYS', encryptionKeys, { exactBytes: 32 })
  isAccepted(env, VARIABLES, () => { rejectSharedKeys('SESSION_AUTH_KEYS', auth, 'SESSION_ENCRYPTION_KEYS', encryption) })
  return { authKeys, encryptionKeys }
}

function judgeKeys (env: Env, name: string, keys: Secret | undefined, size?: { exactBytes: number }): readonly Buffer[] {
  let parsed: readonly Buffer[] = []
  if (keys !== undefined) isAccepted(env, VARIABLES, () => { parsed = parseKeys(name, keys.reveal(), size) })
  return parsed
}
