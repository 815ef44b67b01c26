import { ZxcvbnFactory } from '@zxcvbn-ts/core'
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common'
import { RequestError } from '../../plugins/problems.js'
import { codePoints } from './password.js'

/** The password is the only factor (NIST SP 800-63B-4 section 3.1.1.1). */
const MIN_CODE_POINTS = 15
/** What is judged of a password: the time that takes grows faster than its length, and more of it could only help. */
const JUDGED_CODE_UNITS = 64
const MAX_SUBSTITUTIONS = 20
/** Of zxcvbn's 0 to 4: over 10⁸ guesses. */
const MIN_SCORE = 3

const estimator = new ZxcvbnFactory({
  dictionary: { 'passwords-common': dictionary['passwords-common'] },
  graphs: adjacencyGraphs,
  maxLength: JUDGED_CODE_UNITS,
  l33tMaxSubstitutions: MAX_SUBSTITUTIONS
})

/** What the password must not be made of, besides common passwords. */
const SERVICE_WORDS = ['silverback']

/** Why a password is weak, by the warnings of the estimator; for all others: `EASY`. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['userInputs', 'it is made of your e-mail address or of the name of this service'],
  ['topTen', 'it is one of the most common passwords'],
  ['topHundred', 'it is one of the most common passwords'],
  ['common', 'it is a common password'],
  ['similarToCommon', 'it is made of common passwords'],
  ['sequences', 'it is made of sequences such as abc or 123'],
  ['simpleRepeat', 'it repeats a character'],
  ['extendedRepeat', 'it repeats a group of characters'],
  ['straightRow', 'it is a row of keys'],
  ['keyPattern', 'it is a pattern of keys'],
  ['dates', 'it is made of dates'],
  ['recentYears', 'it is made of years']
])
const EASY = 'it is easy to guess'

/**
 * Refuses what is short, common, or made of what everybody knows (OWASP ASVS 5.0 6.2.1, 6.2.4, 6.2.11). No rule about
 * kinds of characters (6.2.5).
 *
 * @param password normalised, see `normalizePassword`
 * @param emailKey of the user
 * @throws RequestError 422 `ERR_WEAK_PASSWORD` with the reason
 */
export function checkPassword (password: string, emailKey: string, field = 'password'): void {
  if (codePoints(password) < MIN_CODE_POINTS) throw weak(field, `it must have at least ${MIN_CODE_POINTS} characters`)
  const name = emailKey.slice(0, emailKey.lastIndexOf('@'))
  const { score, feedback } = estimator.check(password.slice(0, JUDGED_CODE_UNITS), [emailKey, name, ...SERVICE_WORDS])
  if (score < MIN_SCORE) throw weak(field, REASONS.get(feedback.warning ?? '') ?? EASY)
}

const weak = (field: string, reason: string): RequestError =>
  new RequestError(422, 'ERR_WEAK_PASSWORD', `the password is weak: ${reason}`, field)
