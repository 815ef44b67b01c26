import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

const P = 'silverback_'
/** Seconds: from a query on the same machine to the deadline of the store and beyond. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128]
const RUNS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60]

/** All families that events feed, new, in this registry. */
export function createFamilies (registry: Registry) {
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> => new Counter({ name: P + name, help, labelNames, registers })
  const histogram = <T extends string>(name: string, help: string, buckets: number[], ...labelNames: T[]): Histogram<T> => new Histogram({ name: P + name, help, buckets, labelNames, registers })
  return {
    created: counter('sessions_created_total', 'Sessions that began here, those of visitors included'),
    ended: counter('sessions_ended_total', 'Sessions that were ended here before their time', 'reason'),
    signIns: counter('sign_ins_total', 'Sign-ins, by how they ended', 'outcome'),
    refreshes: counter('refresh_total', 'Refresh tokens that were presented, by how they were judged', 'outcome'),
    alarms: counter('alarms_total', 'Refresh tokens that should not exist: reuse means that two parties hold a session', 'kind'),
    throttled: counter('throttled_total', 'Requests that were refused because there were too many, by the limit that refused the longest', 'limit'),
    queries: histogram('store_duration_seconds', 'Statements and transactions, waiting for a connection and retries included', SECONDS, 'operation'),
    queryErrors: counter('store_errors_total', 'Statements and transactions that failed', 'operation'),
    batches: histogram('store_batch_size', 'Sessions that were loaded or saved, and refresh tokens that were judged, in one round trip', BATCHES, 'kind'),
    cleanedRows: counter('cleanup_rows_total', 'Expired sessions that were removed'),
    cleanups: histogram('cleanup_duration_seconds', 'Runs of the cleanup of sessions', RUNS),
    cookiesRejected: counter('cookies_rejected_total', 'Session cookies that were not accepted', 'reason'),
    requests: histogram('http_request_duration_seconds', 'Requests, by the pattern of their route', SECONDS, 'method', 'route', 'status')
  }
}

export type Families = ReturnType<typeof createFamilies>

/** What is read when somebody asks. */
export interface Sources {
  /** Sessions that have not expired; `null`: not known yet. */
  live (): number | null
  /** `null`: not known yet. */
  tokens (): { readonly cache: { readonly hits: number, readonly misses: number }, readonly isFeedWhole: boolean, readonly feedLag: number } | null
  /** Connections to the database, by pool. */
  pools (): Readonly<Record<string, { readonly totalCount: number, readonly idleCount: number, readonly waitingCount: number }>>
  /** Events of sessions that were dropped. */
  dropped (): number
}

function setOrRemove (gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove()
  else gauge.set(value)
}

/** Adds the families that are read when somebody asks. What is not known is left out. */
export function addReadings (registry: Registry, sources: Sources): void {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number | undefined): void => {
    const made: Gauge = new Gauge({ name: P + name, help, registers, collect: () => { setOrRemove(made, read()) } })
  }
  const counter = (name: string, help: string, read: () => number | undefined): void => {
    const made: Counter = new Counter({ name: P + name, help, registers, collect: () => { made.reset(); made.inc(read() ?? 0) } })
  }
  gauge('sessions_live', 'Sessions that have not expired, of all nodes together, counted every five minutes', () => sources.live() ?? undefined)
  counter('cache_hits_total', 'Access tokens that were remembered as verified', () => sources.tokens()?.cache.hits)
  counter('cache_misses_total', 'Access tokens that had to be verified', () => sources.tokens()?.cache.misses)
  gauge('feed_connected', 'Whether every revocation is known here: 1, or 0 while the store is asked for each access token', () => Number(sources.tokens()?.isFeedWhole ?? false))
  gauge('feed_lag_seconds', 'Since the feed of revocations was last shown to be whole', () => sources.tokens()?.feedLag)
  counter('events_dropped_total', 'Events of sessions that could not be kept', () => sources.dropped())
  const connections: Gauge<'pool' | 'state'> = new Gauge({
    name: `${P}pool_connections`,
    help: 'Connections to the database that are busy and idle, and callers that wait for one',
    labelNames: ['pool', 'state'],
    registers,
    collect: () => {
      for (const [pool, { totalCount, idleCount, waitingCount }] of Object.entries(sources.pools())) {
        connections.set({ pool, state: 'busy' }, totalCount - idleCount)
        connections.set({ pool, state: 'idle' }, idleCount)
        connections.set({ pool, state: 'waiting' }, waitingCount)
      }
    }
  })
}
