import { checkSiteData } from '../../plugins/auth/options.js'
import type { SiteData } from '../../plugins/auth/options.js'
import { parseEmail } from '../users/email.js'
import { isAccepted } from './accepted.js'
import type { Env } from './env.js'

/** What the environment says about users. */
export interface UsersConfig {
  /** Whether attempts are counted and limited. */
  readonly rateLimit: boolean
  /** Who is administrator when they register, by the key of their address. Empty in production. */
  readonly adminEmails: ReadonlySet<string>
  /** What a browser drops, besides our cookies, when its user signs out. */
  readonly clearSiteData: readonly SiteData[]
}

/** Reads what concerns users. Faults go to `env`. */
export function readUsers (env: Env): UsersConfig {
  const rateLimit = env.flag('RATE_LIMIT') ?? true
  const given = env.list('ADMIN_EMAILS') ?? []
  if (given.length > 0 && env.isProduction) env.fault('ADMIN_EMAILS must not be set in production: whoever registers the address first would be administrator')
  const adminEmails = new Set<string>()
  for (const [index, address] of given.entries()) {
    try {
      adminEmails.add(parseEmail(address).key)
    } catch {
      env.fault(`ADMIN_EMAILS must be e-mail addresses with commas between: number ${index + 1} is none`)
    }
  }
  if (env.isProduction && !rateLimit) env.warnings.push('RATE_LIMIT is off: passwords can be guessed as fast as they can be hashed')
  return Object.freeze({ rateLimit, adminEmails, clearSiteData: readSiteData(env) })
}

const VARIABLES: ReadonlyMap<string, string> = new Map([['clearSiteData', 'CLEAR_SITE_DATA']])

function readSiteData (env: Env): readonly SiteData[] {
  const given: unknown = env.list('CLEAR_SITE_DATA')
  let accepted: readonly SiteData[] = []
  isAccepted(env, VARIABLES, () => {
    checkSiteData(given)
    accepted = given ?? []
  })
  return accepted
}
