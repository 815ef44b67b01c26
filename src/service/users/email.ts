import { invalid } from '../../plugins/problems.js'

/** RFC 5321 section 4.5.3.1.3, the angle brackets taken off. */
const MAX_LENGTH = 254
/** One "@", a name before it and dotted labels behind it, no blanks. Whether a mailbox is there, only a mail could tell. */
const ADDRESS = /^[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)+$/u
/** Control, format, private and unassigned characters, halves of surrogate pairs, and blanks of any kind. */
const UNSEEN = /[\p{C}\p{Z}]/u

/** An e-mail address as it was given, and the text by which it is found. */
export interface Email {
  readonly address: string
  /** NFKC and lower case: addresses that look alike in these ways are one. */
  readonly key: string
}

/** @throws RequestError 400 `ERR_VALIDATION` for what cannot be an address, before or after it is normalised */
export function parseEmail (given: string): Email {
  if (given.length > MAX_LENGTH) throw invalid('email', `must have at most ${MAX_LENGTH} characters`)
  const key = given.normalize('NFKC').toLowerCase().normalize('NFKC')
  for (const text of [given, key]) {
    if (text.length > MAX_LENGTH || UNSEEN.test(text) || !ADDRESS.test(text)) throw invalid('email', 'must be an e-mail address')
  }
  return { address: given, key }
}
