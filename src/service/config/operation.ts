import { Env } from './env.js'

/** What the environment says about watching the service. */
export interface OperationConfig {
  /** Whether `/metrics` answers. */
  readonly metrics: boolean
  /** Seconds for which events of sessions, and counts over time, are kept. */
  readonly eventRetention: number
}

const RETENTION = 'a whole number of seconds, from 3600, an hour, to 315360000, ten years'
const DEFAULT_SECONDS = 90 * 86_400
const [LEAST, MOST] = [3_600, 315_360_000]

/** Reads what concerns watching the service. Faults go to `env`. */
export function readOperation (env: Env): OperationConfig {
  const metrics = env.flag('METRICS') ?? true
  const eventRetention = env.number('EVENT_RETENTION', RETENTION) ?? DEFAULT_SECONDS
  if (!Number.isInteger(eventRetention) || eventRetention < LEAST || eventRetention > MOST) env.fault(`EVENT_RETENTION must be ${RETENTION}`)
  return Object.freeze({ metrics, eventRetention })
}

/** Reads the same for a program that works on the database alone. @throws ConfigError with all that is wrong */
export function readOperationConfig (given: NodeJS.ProcessEnv): OperationConfig {
  const env = new Env(given)
  const config = readOperation(env)
  env.throwFaults()
  return config
}
