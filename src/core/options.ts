/** Small checkers of options. Each throws a `TypeError` that names the option and never prints a secret. */

/** Refuses what is no object, and keys that are not known; names the nearest that is. */
export function rejectUnknown (what: string, given: unknown, known: readonly string[]): asserts given is object {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new TypeError(`${what}: the options must be an object; got ${show(given)}`)
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    throw new TypeError(`${what}: unknown option "${key}"${near === undefined ? '' : `; did you mean "${near}"?`}`)
  }
}

/** A number of seconds, decimals allowed, from `min` to `max`. `alternative` is added to the message. */
export function seconds (option: string, given: unknown, { min, max, alternative = '' }: { min: number, max: number, alternative?: string }): number {
  if (typeof given !== 'number' || !(given >= min && given <= max)) {
    throw new TypeError(`"${option}" option must be a number of seconds from ${min} to ${max}${alternative}; got ${show(given)}`)
  }
  return given
}

/** A whole number from `min` to `max`. */
export function wholeNumber (option: string, given: unknown, { min, max }: { min: number, max: number }): number {
  if (typeof given !== 'number' || !Number.isInteger(given) || given < min || given > max) {
    throw new TypeError(`"${option}" option must be a whole number from ${min} to ${max}; got ${show(given)}`)
  }
  return given
}

/** `true` or `false`. */
export function flag (option: string, given: unknown): boolean {
  if (typeof given !== 'boolean') throw new TypeError(`"${option}" option must be true or false; got ${show(given)}`)
  return given
}

/** One of the texts in `allowed`. */
export function oneOf<const T extends string> (option: string, given: unknown, allowed: readonly T[]): T {
  const found = allowed.find((choice) => choice === given)
  if (found === undefined) {
    throw new TypeError(`"${option}" option must be one of ${allowed.map((a) => `'${a}'`).join(', ')}; got ${show(given)}`)
  }
  return found
}

/** What was given, short enough for a message. Only for options that are no secrets. */
export function show (given: unknown): string {
  if (typeof given === 'string') return JSON.stringify(given.slice(0, 80))
  if (typeof given === 'number' || typeof given === 'boolean' || given === null || given === undefined) return String(given)
  return Array.isArray(given) ? 'an array' : `a value of type ${typeof given}`
}

/** The known name at the smallest edit distance, where that is small for the length of the name. */
export function nearest (given: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(given.length / 2))
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase())
    if (distance <= bestDistance && (best === undefined || distance < bestDistance)) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** How many letters to put in, take out or change to make one text the other. */
export function editDistance (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + change))
    }
    row = next
  }
  return row[b.length] ?? 0
}
