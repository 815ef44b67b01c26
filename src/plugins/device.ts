import Bowser from 'bowser'

/** What a device is called in a list, such as "Chrome on macOS"; `null`: its user agent says nothing that is known. */
export function deviceOf (userAgent: string | null): string | null {
  if (userAgent === null || userAgent === '') return null
  const parser = Bowser.getParser(userAgent)
  const names = [parser.getBrowserName(), parser.getOSName()].filter((name) => typeof name === 'string' && name !== '')
  return names.length === 0 ? null : names.join(' on ')
}
