const DEFAULT_THREADS = 4
const MOST_THREADS = 1_024

/** How many threads libuv has, by UV_THREADPOOL_SIZE as it reads that itself: what is no number, or none, counts as one. */
export function readThreads (env: NodeJS.ProcessEnv = process.env): number {
  const given = env['UV_THREADPOOL_SIZE']
  if (given === undefined) return DEFAULT_THREADS
  const threads = Number.parseInt(given, 10) || 1
  return threads < 0 ? MOST_THREADS : Math.min(threads, MOST_THREADS)
}
