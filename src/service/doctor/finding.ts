/** What the doctor looks at, in the order in which it tells. */
export const CHECKS = {
  configuration: 'whether the service would start with the environment, and what it warns of',
  keys: 'whether they are given, strong, and serve one purpose each',
  cookies: 'the session cookie against the way by which requests come',
  address: 'with --url: what the service sends to a browser there',
  tls: 'whether others can read on the way to the database',
  database: 'whether there is one that answers',
  migrations: 'whether its tables fit this version',
  rights: 'whether the role may do what the service does',
  clock: 'whether that of the database and that of this machine agree',
  durability: 'whether a crash can lose what was acknowledged',
  indexes: 'whether every look-up has one',
  triggers: 'whether all are there, and enabled',
  cleanup: 'whether what has expired is removed in time',
  hot: 'whether updates touch no index',
  feed: 'whether news of revoked tokens arrives'
} as const
export type CheckName = keyof typeof CHECKS

/** What a check has found, for people, without secrets. A check that finds several things wrong has one of each. */
export interface Finding {
  readonly check: CheckName
  /** `fault`: something does not work, or is not safe. `warning`: it does, and should be seen to. */
  readonly outcome: 'ok' | 'warning' | 'fault'
  readonly message: string
  /** What to do; `null`: nothing. */
  readonly remedy: string | null
}

export const ok = (check: CheckName, message: string): Finding => ({ check, outcome: 'ok', message, remedy: null })
export const warning = (check: CheckName, message: string, remedy: string): Finding => ({ check, outcome: 'warning', message, remedy })
export const fault = (check: CheckName, message: string, remedy: string): Finding => ({ check, outcome: 'fault', message, remedy })
