/** The most characters of a reason: so many stand in a session's row, in lists and in its story. */
export const MAX_BLOCK_REASON = 200

/** What a reason must be, for whoever gave another. */
export const BLOCK_REASON = `text of at most ${MAX_BLOCK_REASON} characters without control characters`

/** Whether it can be the reason of a block. */
export function isBlockReason (given: unknown): given is string {
  return typeof given === 'string' && Array.from(given).length <= MAX_BLOCK_REASON && !/[\p{Cc}\p{Cs}]/u.test(given)
}
