export interface RepeatingTimer {
  /** Ends the timer, aborts the run under way and resolves when it has ended. Idempotent. */
  stop (): Promise<void>
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Runs `work` again and again: the next run is timed from the end of the last, so that runs never overlap.
 *
 * Each wait is drawn from 50–150 % of `everySeconds`, so that machines started together do not work together.
 * The timer does not keep the process alive. An error of `work` goes to `onError`, and the timer goes on.
 */
export function startTimer ({ everySeconds, work, onError }: {
  everySeconds: number
  work: (signal: AbortSignal) => Promise<unknown>
  onError: (error: unknown) => void
}): RepeatingTimer {
  const aborter = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout

  const schedule = (): void => {
    const wait = Math.min(everySeconds * 1000 * (0.5 + Math.random()), MAX_TIMEOUT_MS)
    timer = setTimeout(() => {
      running = work(aborter.signal).catch(onError).finally(() => {
        if (!aborter.signal.aborted) schedule()
      })
    }, wait).unref()
  }

  schedule()
  return {
    async stop () {
      aborter.abort()
      clearTimeout(timer)
      await running
    }
  }
}
