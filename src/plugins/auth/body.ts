import { invalid } from '../problems.js'

/*
 * The schemas have checked bodies, unless a type of content has found a way around them (CVE-2025-32442) or the
 * application validates in a way of its own: what is taken from a body is checked where it is taken.
 */

/** A member of a body that is there and is text. @throws RequestError `ERR_VALIDATION` */
export function textIn (body: unknown, name: string): string {
  const value = memberOf(body, name)
  if (typeof value !== 'string' || value === '') throw invalid(name, 'must be text that is not empty')
  return value
}

/** A member of a body that is one of these, or absent. @throws RequestError `ERR_VALIDATION` */
export function choiceIn<const T extends string> (body: unknown, name: string, choices: readonly T[]): T | undefined {
  const value = memberOf(body, name)
  if (value === undefined) return undefined
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw invalid(name, `must be one of ${choices.join(', ')}`)
  return found
}

/** A member of a body that is true, false or absent. @throws RequestError `ERR_VALIDATION` */
export function flagIn (body: unknown, name: string): boolean | undefined {
  const value = memberOf(body, name)
  if (value !== undefined && typeof value !== 'boolean') throw invalid(name, 'must be true or false')
  return value
}

function memberOf (body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null) throw invalid('body', 'must be an object')
  return Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined
}
