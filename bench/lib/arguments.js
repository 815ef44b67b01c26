/** Checks of what stands on a command line. */

import { parseArgs } from 'node:util'

/** Those that every command understands. */
const COMMON = { help: { type: 'boolean' }, docs: { type: 'boolean' }, from: { type: 'string' } }

export const COMMON_USAGE = `  --docs                  write the figures into docs/, too
  --from a.json           measure nothing: tell a result of bench/results once more
  --help`

/** @param flags besides the common ones, as `parseArgs` takes them; @throws TypeError for what is unknown */
export function readFlags (args, flags) {
  const { values } = parseArgs({ args, options: { ...COMMON, ...flags } })
  return { ...values, help: values.help === true, docs: values.docs === true, from: values.from }
}

/** Names out of a list, by commas; all when none is given. */
export function namesOf (option, given, known) {
  if (given === undefined) return known
  const names = given.split(',')
  const foreign = names.find((name) => !known.includes(name))
  if (foreign !== undefined) throw new TypeError(`--${option}: there is no "${foreign}"; known are ${known.join(', ')}`)
  return names
}

export function numberOf (option, given, min, max) {
  const number = Number(given)
  if (!(number >= min && number <= max)) throw new TypeError(`--${option} must be a number from ${min} to ${max}; got ${given}`)
  return number
}

/** Whole numbers by commas. */
export function wholeNumbersOf (option, given, min, max) {
  return given.split(',').map((text) => {
    const number = numberOf(option, text, min, max)
    if (!Number.isInteger(number)) throw new TypeError(`--${option} must be whole; got ${text}`)
    return number
  })
}
