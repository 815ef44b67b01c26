import { invalid } from '../../plugins/problems.js'

const LONGEST = 256

/** What is looked for, as it was typed; PostgreSQL takes no NUL. @throws RequestError 400 `ERR_VALIDATION` */
export function cleanText (field: string, text: string): string {
  if (text.length > LONGEST || /[\p{Cc}\p{Cs}]/u.test(text)) throw invalid(field, `must be text of at most ${LONGEST} characters without control characters`)
  return text
}

/** A part of an address in the form in which addresses are found. */
export const toEmailPart = (text: string): string => text.normalize('NFKC').toLowerCase()
