import type { JWTPayload } from 'jose'
import { isUuid } from '../core/uuid.js'
import type { LineageFacts } from './store.js'
import type { AccessToken } from './tokens.js'

/** Whose tokens, and for whom. */
export interface Parties {
  readonly issuer: string
  readonly audience: string
  readonly clientId: string
}

/** Seconds that `iat` may be ahead of the store's clock: nodes learn it at different instants. */
const LEEWAY = 60
/** Longest life of an access token, in seconds (ASVS 9.2.1): a revocation is kept as long. */
export const LONGEST_LIFE = 60 * 60

/**
 * What an access token says of a session (RFC 9068 section 2.2), and two claims of our own: `gen`, the generation of the
 * refresh token that was the newest at its issue, and `nc` ("no evidence"), `true` where its arrival does not show that the
 * client has that refresh token, because the two travel apart: nobody may confirm a generation by such a token.
 *
 * `iat` and `exp` are in seconds with decimals (RFC 7519 allows them): a revocation and the token after it may be
 * milliseconds apart.
 */
export function claimsOf (facts: LineageFacts, { issuer, audience, clientId }: Parties, { jti, lifeSeconds, confirms }: {
  jti: string
  lifeSeconds: number
  confirms: boolean
}): JWTPayload {
  const { isAdmin, roles } = facts.claims
  return {
    iss: issuer,
    sub: facts.userId,
    aud: audience,
    client_id: clientId,
    iat: facts.issuedAt / 1000,
    exp: (facts.issuedAt + lifeSeconds * 1000) / 1000,
    ...(facts.authenticatedAt !== null && { auth_time: facts.authenticatedAt / 1000 }),
    jti,
    sid: facts.sessionId,
    gen: facts.generation,
    is_admin: isAdmin === true,
    // a hand in the database may have made anything of them
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    ...(!confirms && { nc: true })
  }
}

/**
 * The access token that a payload makes; `null`: one of its claims is missing, of another type, for somebody else, or not
 * of this time. Only for a payload whose signature is good.
 *
 * @param now milliseconds since 1970 by the store's clock
 */
export function readClaims (claims: Readonly<Record<string, unknown>>, parties: Parties, now: number): AccessToken | null {
  const { sub, sid, gen, is_admin: isAdmin, roles, auth_time: authTime, nc } = claims
  const time = readTimes(claims, now / 1000)
  if (time === null || !isFor(claims, parties)) return null
  if (!isText(sub) || !isText(claims['jti']) || !isText(claims['client_id'])) return null
  if (typeof sid !== 'string' || !isUuid(sid)) return null
  if (typeof gen !== 'number' || !Number.isSafeInteger(gen) || gen < 1) return null
  if (typeof isAdmin !== 'boolean' || !isTexts(roles)) return null
  if (authTime !== undefined && !isInstant(authTime)) return null
  if (nc !== undefined && nc !== true) return null
  return Object.freeze({
    userId: sub,
    isAdmin,
    roles: Object.freeze(roles),
    sessionId: sid,
    generation: gen,
    ...time,
    authenticatedAt: authTime === undefined ? null : new Date(milliseconds(authTime)),
    confirms: nc === undefined
  })
}

/** `exp` without leeway, and a life that no token of ours has exceeded, whoever signed it. */
function readTimes ({ iat, exp, nbf }: Readonly<Record<string, unknown>>, now: number): { issuedAt: number, expiresAt: number } | null {
  if (!isInstant(iat) || !isInstant(exp) || (nbf !== undefined && !isInstant(nbf))) return null
  if (exp <= now || iat > now + LEEWAY || (nbf !== undefined && nbf > now)) return null
  const [issuedAt, expiresAt] = [milliseconds(iat), milliseconds(exp)]
  return expiresAt - issuedAt > 0 && expiresAt - issuedAt <= LONGEST_LIFE * 1000 ? { issuedAt, expiresAt } : null
}

/** `iss` is one text and exact (CVE-2025-30144); of several audiences one is enough. */
function isFor ({ iss, aud }: Readonly<Record<string, unknown>>, { issuer, audience }: Parties): boolean {
  return iss === issuer && (aud === audience || (isTexts(aud) && aud.includes(audience)))
}

const milliseconds = (seconds: number): number => Math.round(seconds * 1000)
/** Up to the year 9999: what a Date holds, and no slip of the unit. */
const isInstant = (claim: unknown): claim is number => typeof claim === 'number' && claim >= 0 && claim < 253_402_300_800
const isText = (claim: unknown): claim is string => typeof claim === 'string' && claim !== ''
const isTexts = (claim: unknown): claim is readonly string[] => Array.isArray(claim) && claim.every((entry) => typeof entry === 'string')
