import { percentile } from './statistics.js'

/**
 * Calls `act` over and over, so many calls in flight at once, for some seconds.
 *
 * @param act gets the number of the caller and of the call, from 0 on
 * @returns calls a second, latencies in milliseconds, and the CPU of this process a call
 */
export async function loop ({ callers, seconds }, act) {
  const latencies = []
  const before = process.cpuUsage()
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  await Promise.all(Array.from({ length: callers }, async (_, caller) => {
    for (let call = 0, at = performance.now(); at < endsAt; call++) {
      await act(caller, call)
      const now = performance.now()
      latencies.push(now - at)
      at = now
    }
  }))
  const elapsed = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(before)
  const sorted = Float64Array.from(latencies).sort()
  return {
    rate: sorted.length / elapsed,
    mean: sorted.reduce((total, ms) => total + ms, 0) / sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    cpuMicros: (user + system) / sorted.length
  }
}
