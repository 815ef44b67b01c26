/** How often something may be tried. */
export interface Limit {
  /** Goes into the key, so that no two limits count together. */
  readonly name: string
  /** Free attempts. */
  readonly most: number
  /** How long the count is kept: from its first attempt, or where `doubles` from its last. */
  readonly seconds: number
  /** After the free attempts each doubles the pause, from 1 second to 15 minutes; else the count has to end first. */
  readonly doubles: boolean
}

const DAY = 86_400
const MINUTE = 60
const HOUR = 3_600
/** A /48 holds 65,536 networks of /64: whoever has one must not have so many times the attempts. */
const WIDE = 4

const within = (name: string, most: number, seconds: number): Limit => ({ name, most, seconds, doubles: false })

/** OWASP ASVS 5.0 6.3.1, NIST SP 800-63B-4 section 3.2.2. */
export const LIMITS = {
  /** Failures of one account, be there such a user or not: more than 100 in a row take over a day. */
  account: { name: 'account', most: 5, seconds: DAY, doubles: true },
  /** The same for a device that is known to the account, or a session of it that asks: strangers cannot use it up. */
  device: { name: 'device', most: 5, seconds: DAY, doubles: true },
  /** Failures of one account from one network. */
  pair: within('pair', 5, MINUTE),
  /** Failures from one network. */
  login: within('login', 20, 10 * MINUTE),
  register: within('register', 5, HOUR),
  refresh: within('refresh', 300, MINUTE),
  rotation: within('rotation', 120, MINUTE),
  /** Sessions that begin from one network: of visitors, sign-ins and registrations together. */
  begin: within('begin', 60, MINUTE),
  /** Writes to one session. */
  write: within('write', 600, MINUTE)
} as const satisfies Readonly<Record<string, Limit>>

/** The same limit for the /48 around an IPv6 network. */
export const wide = (limit: Limit): Limit => ({ ...limit, name: `${limit.name}/48`, most: limit.most * WIDE })

/** All that there are. */
export const LIMIT_NAMES: readonly string[] = [...Object.values(LIMITS), ...[LIMITS.login, LIMITS.register, LIMITS.refresh, LIMITS.begin].map(wide)].map(({ name }) => name)
