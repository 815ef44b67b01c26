/** What the doctor looks at. */
export const CHECKS = [
  'configuration', 'keys', 'cookies', 'address', 'tls', 'database', 'migrations', 'rights', 'clock', 'durability', 'indexes', 'triggers', 'cleanup', 'hot', 'feed'
] as const
export type CheckName = typeof CHECKS[number]

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
