/** Only for taking URLs apart: nothing is asked of it. */
const BASE = 'http://here.invalid'
const LONGEST = 512

/**
 * A path of this service that a client names, in the form that goes into `Location`; `null`: it is none, or it may lead
 * elsewhere (CWE-601). Judged by the parser that browsers have, before and after it.
 */
export function localPath (given: unknown): string | null {
  if (typeof given !== 'string' || given.length > LONGEST || !isRooted(given) || !URL.canParse(given, BASE)) return null
  const { origin, pathname, search } = new URL(given, BASE)
  const path = pathname + search
  return origin === BASE && isRooted(path) ? path : null
}

/** Begins with one slash: two, or a backslash, name a host. */
const isRooted = (path: string): boolean => /^\/(?![/\\])/.test(path)
