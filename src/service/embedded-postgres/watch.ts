import { isRunning } from './process.js'
import type { ProcessIdentity } from './process.js'

const EVERY_MS = 500

/**
 * Looks twice a second whether a process still runs, be it our child or not, and calls `onEnd` once when it does not.
 * Does not keep this process alive. Returns what ends the watch.
 */
export function watchEnd (identity: ProcessIdentity, onEnd: () => void): () => void {
  let isOver = false
  const look = async (): Promise<void> => {
    if (await isRunning(identity) || isOver) return
    end()
    onEnd()
  }
  const timer = setInterval(() => { look().catch(() => { /* the next look tells */ }) }, EVERY_MS).unref()
  const end = (): void => {
    isOver = true
    clearInterval(timer)
  }
  return end
}
