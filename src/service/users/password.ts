import { invalid } from '../../plugins/problems.js'

/** OWASP ASVS 5.0 6.2.9 asks for 64 at least; NIST SP 800-63B-4 section 3.1.1.2 counts code points. */
export const MAX_CODE_POINTS = 256
const MAX_BYTES = 1024

/**
 * The form of a password that is judged and hashed: NFKC, once (NIST SP 800-63B-4 section 3.1.1.2). Nothing is trimmed or cut.
 *
 * @param field the name of the field, for the refusal
 * @throws RequestError 400 `ERR_VALIDATION` for what nobody can have as a password; no hash is run for it
 */
export function normalizePassword (given: string, field = 'password'): string {
  if (given === '') throw invalid(field, 'must not be empty')
  if (given.length > MAX_BYTES || Buffer.byteLength(given) > MAX_BYTES) throw invalid(field, `must have at most ${MAX_BYTES} bytes`)
  // halves of surrogate pairs would all become one character on the way to bytes
  if (!given.isWellFormed()) throw invalid(field, 'must be text')
  const normalized = given.normalize('NFKC')
  if (codePoints(normalized) > MAX_CODE_POINTS) throw invalid(field, `must have at most ${MAX_CODE_POINTS} characters`)
  return normalized
}

/** Characters as Unicode counts them: an emoji is one, or a few. */
export function codePoints (text: string): number {
  return Array.from(text).length
}
