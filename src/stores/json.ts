import type { Json } from '../session/store.js'

/** Whether a value is nested at most so deep. */
export function isShallow (value: Json | undefined, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((part: Json | undefined) => isShallow(part, levels - 1))
}

/** How many keys and elements a value has at any depth; counts no further than beyond `most`, nor deeper. */
export function countParts (value: Json | undefined, most: number): number {
  if (typeof value !== 'object' || value === null) return 0
  let parts = 0
  for (const part of Object.values<Json | undefined>(value)) {
    if (parts > most) break
    parts += 1 + countParts(part, most - parts - 1)
  }
  return parts
}

/** A copy that shares nothing with the value: several times quicker than through text. Calls itself for each level. */
export function copyJson (value: Json | undefined): Json | undefined {
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return value.map((part) => copyJson(part) ?? null)
  const copy: Record<string, Json | undefined> = {}
  for (const key of Object.keys(value)) {
    if (key === '__proto__') Object.defineProperty(copy, key, { value: copyJson(value[key]), enumerable: true, configurable: true, writable: true })
    else copy[key] = copyJson(value[key])
  }
  return copy as Json // none is undefined that was not
}

/** `Array.isArray` does not tell a list that is only read. */
function isList (value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
