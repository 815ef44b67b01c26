import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { parseKeys, rejectSharedKeys } from '../../core/keys.js'
import { PostgresTokenStore } from '../../stores/postgres/token-store.js'
import { resolveTokensOptions } from '../../tokens/options.js'
import type { TokensOptions } from '../../tokens/options.js'
import { parseSigningKeys } from '../../tokens/signing-keys.js'
import { acceptEach, isAccepted } from './accepted.js'
import type { Env } from './env.js'
import type { Secret } from './secret.js'
import type { SessionsConfig } from './sessions.js'

/** What the environment says about tokens. */
export interface TokensConfig {
  /** PEM, or symmetric keys. `undefined`: made in development and kept, see `keys.ts`. */
  readonly signingKeys: Secret | undefined
  /** `undefined`: as above. */
  readonly refreshKeys: Secret | undefined
  /** Options of the plugin, those that were given. */
  readonly options: Omit<TokensOptions, 'store' | 'signingKeys' | 'refreshKey'>
}

/** The options that have a variable, by their names in messages. */
const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['issuer', 'TOKEN_ISSUER'],
  ['audience', 'TOKEN_AUDIENCE'],
  ['signingKeys', 'TOKEN_SIGNING_KEYS'],
  ['refreshKey', 'TOKEN_REFRESH_KEYS'],
  ['accessTokenTtl', 'ACCESS_TOKEN_TTL'],
  ['refreshTtl', 'REFRESH_TOKEN_TTL'],
  ['refreshAbsoluteTtl', 'REFRESH_ABSOLUTE_TTL'],
  ['minGenerationAge', 'REFRESH_MIN_AGE'],
  ['stragglerWindow', 'REFRESH_STRAGGLER_WINDOW'],
  ...['SESSION_AUTH_KEYS', 'SESSION_ENCRYPTION_KEYS'].map((name) => [name, name] as const)
])
const REQUIRED = ['TOKEN_ISSUER', 'TOKEN_AUDIENCE', 'TOKEN_SIGNING_KEYS', 'TOKEN_REFRESH_KEYS'] as const
const HINTS: Readonly<Record<typeof REQUIRED[number], string>> = {
  TOKEN_ISSUER: 'the URL by which clients know this service',
  TOKEN_AUDIENCE: 'the name of the services that accept its tokens',
  TOKEN_SIGNING_KEYS: 'make one with: openssl genpkey -algorithm ed25519',
  TOKEN_REFRESH_KEYS: 'make one with: openssl rand -base64 32'
}

/** Reads what concerns tokens. Faults go to `env`. */
export function readTokens (env: Env, { port, sessions }: { port: number, sessions: SessionsConfig }): TokensConfig {
  const issuer = env.text('TOKEN_ISSUER')
  const audience = env.text('TOKEN_AUDIENCE')
  const keys = readKeys(env, sessions)
  const given = { TOKEN_ISSUER: issuer !== undefined, TOKEN_AUDIENCE: audience !== undefined, TOKEN_SIGNING_KEYS: env.isGiven('TOKEN_SIGNING_KEYS'), TOKEN_REFRESH_KEYS: env.isGiven('TOKEN_REFRESH_KEYS') }
  for (const name of REQUIRED) {
    if (env.isProduction && !given[name]) env.fault(`${name} is required in production: ${HINTS[name]}`)
  }
  const name = issuer ?? `http://localhost:${port}`
  return Object.freeze({ ...keys, options: readOptions(env, { issuer: name, audience: audience ?? name }) })
}

function readOptions (env: Env, parties: { issuer: string, audience: string }): TokensConfig['options'] {
  const accessTokenTtl = env.number('ACCESS_TOKEN_TTL')
  const refreshTtl = env.number('REFRESH_TOKEN_TTL')
  const refreshAbsoluteTtl = env.number('REFRESH_ABSOLUTE_TTL')
  const minGenerationAge = env.number('REFRESH_MIN_AGE')
  const stragglerWindow = env.number('REFRESH_STRAGGLER_WINDOW')
  const given: Partial<TokensConfig['options']>[] = [
    parties,
    accessTokenTtl === undefined ? {} : { accessTokenTtl },
    refreshTtl === undefined ? {} : { refreshTtl },
    refreshAbsoluteTtl === undefined ? {} : { refreshAbsoluteTtl },
    // together: one alone contradicts the other's default
    { ...(minGenerationAge !== undefined && { minGenerationAge }), ...(stragglerWindow !== undefined && { stragglerWindow }) }
  ]
  return acceptEach({ issuer: 'issuer', audience: 'audience' }, given,
    (options) => isAccepted(env, VARIABLES, () => { resolveTokensOptions({ ...options, ...STAND_INS }) }))
}

/** The keys are judged apart from the options; the store, which connects to nothing, is the service's. */
const STAND_INS = {
  store: new PostgresTokenStore({ connectionString: 'postgres://localhost/unused' }),
  signingKeys: generateKeyPairSync('ed25519').privateKey,
  refreshKey: randomBytes(32)
}

function readKeys (env: Env, sessions: SessionsConfig): Pick<TokensConfig, 'signingKeys' | 'refreshKeys'> {
  const signingKeys = env.secret('TOKEN_SIGNING_KEYS')
  const refreshKeys = env.secret('TOKEN_REFRESH_KEYS')
  const judge = (keys: Secret | undefined, parse: (text: string) => readonly Buffer[]): readonly Buffer[] => {
    let parsed: readonly Buffer[] = []
    if (keys !== undefined) isAccepted(env, VARIABLES, () => { parsed = parse(keys.reveal()) })
    return parsed
  }
  const purposes: (readonly [string, readonly Buffer[]])[] = [
    ['SESSION_AUTH_KEYS', soundKeys(sessions.authKeys)],
    ['SESSION_ENCRYPTION_KEYS', soundKeys(sessions.encryptionKeys)],
    ['signingKeys', judge(signingKeys, (text) => parseSigningKeys(text).symmetric)],
    ['refreshKey', judge(refreshKeys, (text) => parseKeys('refreshKey', text))]
  ]
  for (const [later, [name, keys]] of purposes.entries()) {
    for (const [other, otherKeys] of later < 2 ? [] : purposes.slice(0, later)) {
      isAccepted(env, VARIABLES, () => { rejectSharedKeys(name, keys, other, otherKeys) })
    }
  }
  return { signingKeys, refreshKeys }
}

/** What is wrong with the keys of sessions is told already. */
function soundKeys (keys: Secret | undefined): readonly Buffer[] {
  try {
    return keys === undefined ? [] : parseKeys('keys', keys.reveal())
  } catch {
    return []
  }
}
