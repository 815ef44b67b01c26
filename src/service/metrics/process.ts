import { collectDefaultMetrics, Registry } from 'prom-client'

/** Gauges that are named as counters are, and say what others say, too. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

let registry: Registry | undefined

/** What Node.js says of the process: processor, memory, event loop, garbage collection. One for all services of it. */
export function processRegistry (): Registry {
  if (registry === undefined) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry })
    for (const name of MISNAMED) registry.removeSingleMetric(name)
  }
  return registry
}
