import { readConfig } from '../config.js'
import type { Config } from '../config.js'
import { ConfigError } from '../config/error.js'
import { fault, ok, warning } from './finding.js'
import type { Finding } from './finding.js'

/** The variables that hold keys, at the beginning of a line about them. */
const OF_KEYS = /^(?:SESSION_AUTH_KEYS|SESSION_ENCRYPTION_KEYS|TOKEN_SIGNING_KEYS|TOKEN_REFRESH_KEYS)\b|^"(?:signingKeys|refreshKey)"/
const NEW_KEYS = 'make new ones with `silverback keys generate`; a key serves one purpose'
const MEND = 'correct the variable: .env.example says what each may be'

/** Reads the configuration as the service would; `config` is `null` where it would not start. Weak and equal keys are told apart. */
export function checkConfiguration (env: NodeJS.ProcessEnv): { readonly config: Config | null, readonly findings: readonly Finding[] } {
  try {
    const config = readConfig(env)
    const warnings = config.warnings.map((line) => warning('configuration', line, MEND))
    return { config, findings: [...(warnings.length > 0 ? warnings : [ok('configuration', 'the configuration is sound')]), checkKeys(config)] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { config: null, findings: error.faults.map((line) => OF_KEYS.test(line) ? fault('keys', line, NEW_KEYS) : fault('configuration', line, MEND)) }
  }
}

/** Those that are given were judged with the configuration. */
function checkKeys ({ sessions, tokens, dataDir }: Config): Finding {
  const made = [
    ...(sessions.authKeys === undefined ? ['SESSION_AUTH_KEYS'] : []),
    ...(tokens.signingKeys === undefined ? ['TOKEN_SIGNING_KEYS'] : []),
    ...(tokens.refreshKeys === undefined ? ['TOKEN_REFRESH_KEYS'] : [])
  ]
  return made.length === 0
    ? ok('keys', 'all keys are given, none is weak, and none serves two purposes')
    : ok('keys', `${made.join(', ')}: made for development and kept in ${dataDir}`)
}
