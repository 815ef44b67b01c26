import type { JsonObject, ValuesPatch } from './store.js'

/** Whether it changes no value: then a change is a slide. */
export function isEmptyPatch ({ set, unset }: ValuesPatch): boolean {
  return unset.length === 0 && Object.keys(set).length === 0
}

/** The values with a patch applied, as a store does it; nested parts are shared. `__proto__` is a key like any other. */
export function patched (values: JsonObject, { set, unset }: ValuesPatch): JsonObject {
  if (unset.length === 0) return { ...values, ...set }
  return { ...Object.fromEntries(Object.entries(values).filter(([key]) => !unset.includes(key))), ...set }
}
