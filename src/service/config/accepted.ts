import type { Env } from './env.js'

/** Turns the refusal of an option of the library into a fault of its variable. Resolves to whether it was accepted. */
export function isAccepted (env: Env, variables: ReadonlyMap<string, string>, check: () => void): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    env.fault(translate(error.message, variables))
    return false
  }
}

/**
 * Adds one option after the other to those that were accepted, so that the rules of the library themselves judge each,
 * and every fault is told, not the first alone. A contradiction counts against the later one.
 *
 * @param given an object for each option, empty where it has no variable set
 */
export function acceptEach<T extends object> (start: T, given: readonly Partial<T>[], accepts: (options: T) => boolean): T {
  let accepted = start
  for (const option of given) {
    if (Object.keys(option).length === 0) continue
    const next = { ...accepted, ...option }
    if (accepts(next)) accepted = next
  }
  return Object.freeze(accepted)
}

/** Says variables for options, and leaves out the value that was given. */
function translate (message: string, variables: ReadonlyMap<string, string>): string {
  return message
    .replace(/; got .*$/s, '')
    .replace('"secure": true', 'SESSION_SECURE=on')
    .replace('"path": "/" and no "domain"', 'no "domain"') // the service sets the path itself
    .replace(/"([\w.]+)"(?: options?\b)?/g, (text, option: string) => variables.get(option) ?? text)
}
