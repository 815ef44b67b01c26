import { parseKeys, rejectSharedKeys } from '../core/keys.js'
import type { KeysOption } from '../core/keys.js'
import { flag, rejectUnknown, seconds, show } from '../core/options.js'
import { LONGEST_MAX_AGE } from '../session/options.js'
import { LONGEST_LIFE } from './access-claims.js'
import { checkTokenStore } from './check-store.js'
import { parseSigningKeys } from './signing-keys.js'
import type { SigningKeys, SigningKeysOption } from './signing-keys.js'
import type { TokenStore } from './store.js'

/** Options of tokens. Times in seconds, decimals allowed. */
export interface TokensOptions {
  /** Where lineages are kept: beside the sessions. Required. Closed with the application. */
  readonly store: TokenStore
  /** `iss` of access tokens, compared exactly. Required. */
  readonly issuer: string
  /** `aud` of access tokens: the services that accept them. Required. */
  readonly audience: string
  /** `client_id` of access tokens. Default: `audience`. */
  readonly clientId?: string
  /** Sign access tokens: PEM of Ed25519 or P-256, newest first; or symmetric keys for HS256. `undefined`, as of an unset variable, is refused. */
  readonly signingKeys: SigningKeysOption | undefined
  /** Makes and derives refresh tokens: keys of at least 32 bytes, newest first. `undefined` is refused. */
  readonly refreshKey: KeysOption | undefined
  /** Longest life of an access token; up to 5 % less is drawn. From 1 to 3,600, and less than `refreshTtl`. Default 900. */
  readonly accessTokenTtl?: number
  /** Idle life of a session with refresh tokens. Default 2,592,000: 30 days. */
  readonly refreshTtl?: number
  /** From the creation of such a session to its end, whatever happens. At least `refreshTtl`, at most 400 days. Default 5,184,000: 60 days, or `refreshTtl` where that is longer. */
  readonly refreshAbsoluteTtl?: number
  /** How old a refresh token is before it is succeeded: longer than the longest round trip, and more than twice `stragglerWindow`. Default 90. */
  readonly minGenerationAge?: number
  /** How long a superseded refresh token is still answered after its successor was seen: at least the longest way of a request. Over 0. Default 30. */
  readonly stragglerWindow?: number
  /** Identity for services behind this one: inbound `X-User-*` headers are deleted, and set from who is signed in. Default `false`. */
  readonly identityHeaders?: boolean
}

/** `TokensOptions` after checking: all there, frozen. */
export interface ResolvedTokensOptions {
  readonly store: TokenStore
  readonly issuer: string
  readonly audience: string
  readonly clientId: string
  readonly signingKeys: SigningKeys
  readonly refreshKeys: readonly Buffer[]
  readonly accessTokenTtl: number
  readonly refreshTtl: number
  readonly refreshAbsoluteTtl: number
  readonly minGenerationAge: number
  readonly stragglerWindow: number
  readonly identityHeaders: boolean
}

const DAY = 24 * 60 * 60
/** The names of the options. */
export const TOKENS_OPTIONS = [
  'store', 'issuer', 'audience', 'clientId', 'signingKeys', 'refreshKey', 'accessTokenTtl', 'refreshTtl', 'refreshAbsoluteTtl',
  'minGenerationAge', 'stragglerWindow', 'identityHeaders'
] as const satisfies readonly (keyof TokensOptions)[]

/** @throws TypeError naming the first option that is missing, unknown, out of range or in contradiction to another */
export function resolveTokensOptions (given: TokensOptions): ResolvedTokensOptions {
  rejectUnknown('tokens', given, TOKENS_OPTIONS)
  for (const [option, value] of Object.entries(given)) {
    if (value === null) throw new TypeError(`"${option}" option must not be null; leave it out for the default`)
  }
  checkTokenStore(given.store)
  const audience = name('audience', given.audience)
  const signingKeys = parseSigningKeys(given.signingKeys)
  const refreshKeys = parseKeys('refreshKey', given.refreshKey)
  rejectSharedKeys('refreshKey', refreshKeys, 'signingKeys', signingKeys.symmetric)
  return Object.freeze({
    store: given.store,
    issuer: name('issuer', given.issuer),
    audience,
    clientId: name('clientId', given.clientId ?? audience),
    signingKeys,
    refreshKeys,
    ...resolveLives(given),
    ...resolveRules(given),
    identityHeaders: flag('identityHeaders', given.identityHeaders ?? false)
  })
}

function resolveLives (given: TokensOptions): Pick<ResolvedTokensOptions, 'accessTokenTtl' | 'refreshTtl' | 'refreshAbsoluteTtl'> {
  const accessTokenTtl = seconds('accessTokenTtl', given.accessTokenTtl ?? 900, { min: 1, max: LONGEST_LIFE })
  const refreshTtl = seconds('refreshTtl', given.refreshTtl ?? 30 * DAY, { min: 1, max: LONGEST_MAX_AGE })
  const refreshAbsoluteTtl = seconds('refreshAbsoluteTtl', given.refreshAbsoluteTtl ?? Math.max(60 * DAY, refreshTtl), { min: 1, max: LONGEST_MAX_AGE })
  if (accessTokenTtl >= refreshTtl) throw new TypeError('"accessTokenTtl" option must be shorter than "refreshTtl"')
  if (refreshAbsoluteTtl < refreshTtl) throw new TypeError('"refreshAbsoluteTtl" option must not be shorter than "refreshTtl"')
  return { accessTokenTtl, refreshTtl, refreshAbsoluteTtl }
}

/** A checker finds interleavings that sign out people who did nothing wrong where R ≤ 2 W or W = 0. */
function resolveRules (given: TokensOptions): Pick<ResolvedTokensOptions, 'minGenerationAge' | 'stragglerWindow'> {
  const stragglerWindow = seconds('stragglerWindow', given.stragglerWindow ?? 30, { min: 0.001, max: 60 * 60 })
  const minGenerationAge = seconds('minGenerationAge', given.minGenerationAge ?? 90, { min: 0.001, max: DAY })
  if (minGenerationAge <= 2 * stragglerWindow) throw new TypeError('"minGenerationAge" option must be more than twice "stragglerWindow": less would sign out people who did nothing wrong')
  return { minGenerationAge, stragglerWindow }
}

/** Text that stands in every token, and in logs. */
function name (option: string, given: unknown): string {
  if (typeof given !== 'string' || given.trim() === '' || given.length > 512 || /[\p{Cc}\p{Cs}]/u.test(given)) {
    throw new TypeError(`"${option}" option must be text of 1 to 512 characters without control characters; got ${show(given)}`)
  }
  return given
}
