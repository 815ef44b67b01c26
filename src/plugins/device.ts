import Bowser from 'bowser'

/** Programs that are no browsers, which the parser does not know. */
const PROGRAM = /^(?:curl|HTTPie|Wget|PostmanRuntime|python-requests|okhttp|Go-http-client)(?=\/)/

/**
 * What the parser may call a browser or a system. One that it does not know it calls by the first words of the user agent,
 * and those are whatever somebody wants the user to read in the list of their devices.
 */
const KNOWN: ReadonlySet<string> = new Set([...Object.values(Bowser.BROWSER_MAP), ...Object.values(Bowser.OS_MAP)])

/** What a device is called in a list, such as "Chrome on macOS", "Windows" or "curl"; `null`: its user agent says nothing that is known. */
export function deviceOf (userAgent: string | null): string | null {
  if (userAgent === null || userAgent === '') return null
  const parser = Bowser.getParser(userAgent)
  const names = [parser.getBrowserName(), parser.getOSName()].filter((name) => KNOWN.has(name))
  return names.length === 0 ? PROGRAM.exec(userAgent)?.[0] ?? null : names.join(' on ')
}
