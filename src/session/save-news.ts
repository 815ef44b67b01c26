import { isEmptyPatch, patched } from './patch.js'
import type { SaveNews, SessionRecord, ValuesPatch } from './store.js'

/**
 * The record of a session after `saveSeen`, whole or as the news: those are told of a session that is else as it was seen.
 *
 * @param seen nobody has changed it since the store gave it
 * @param patch what was saved; empty: a slide
 */
export function recordAfter (answer: SessionRecord | SaveNews | null, seen: SessionRecord, patch: ValuesPatch): SessionRecord | null {
  if (answer === null || 'id' in answer) return answer
  const isSlide = isEmptyPatch(patch)
  return {
    ...seen,
    values: isSlide ? seen.values : patched(seen.values, patch),
    version: isSlide ? seen.version : seen.version + 1,
    expiresAt: answer.expiresAt,
    lastSeenAt: answer.savedAt,
    readAt: answer.savedAt
  }
}
