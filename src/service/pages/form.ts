import { RequestError } from '../../plugins/problems.js'
import { inWords } from './time-words.js'

/** What is wrong with a form: with a field of it, or, where that is `null`, with all of it. */
export interface FormError {
  readonly field: string | null
  readonly text: string
}

/** A form as it is shown: what was typed, but for passwords, and what was wrong with it. */
export interface Form {
  readonly values: Readonly<Record<string, string>>
  readonly errors: readonly FormError[]
}

export const EMPTY_FORM: Form = Object.freeze({ values: {}, errors: [] })

/** A field of a form; an empty text: it is not there, or there more than once. */
export function textOf (body: unknown, name: string): string {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return ''
  const value: unknown = Reflect.get(body, name)
  return typeof value === 'string' ? value : ''
}

/** Why a form is shown again, and how that is answered. */
export interface Refusal {
  readonly errors: readonly FormError[]
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** What a form refuses by itself; `null`: nothing. */
export function refusalFor (errors: readonly (FormError | null)[]): Refusal | null {
  const found = errors.filter((error) => error !== null)
  return found.length === 0 ? null : { errors: found, status: 400, headers: {} }
}

/** A refusal as the form shows it. @param fields those that the form has @throws the error itself, where it is no refusal */
export function toRefusal (error: unknown, fields: readonly string[]): Refusal {
  if (!(error instanceof RequestError)) throw error
  const { field = null, statusCode, headers } = error
  return { errors: [{ field: field !== null && fields.includes(field) ? field : null, text: textFor(error) }], status: statusCode, headers }
}

/** Says so where nothing was typed. */
export const required = (field: string, value: string, text: string): FormError | null => value === '' ? { field, text } : null

/** Whoever types without seeing it types it twice: there is no way back to an account with a slip in its password. */
export const repeated = (password: string, repeat: string): FormError | null =>
  password === repeat ? null : { field: 'repeat', text: 'The two passwords differ. Type the same one twice.' }

function textFor (error: RequestError): string {
  const { code, field, message } = error
  if (code === 'ERR_VALIDATION' && field === 'email') return 'Enter an e-mail address, such as ada@example.com.'
  return WORDS[code]?.(error) ?? sentence(message)
}

const WORDS: Readonly<Record<string, (error: RequestError) => string>> = {
  ERR_CREDENTIALS: () => 'The e-mail address or the password is not right.',
  ERR_USER_EXISTS: () => 'Somebody has registered with this e-mail address already. If that was you, sign in.',
  ERR_VALIDATION: ({ message }) => sentence(message.replace(/^"[^"]*"/, 'this')),
  ERR_THROTTLED: ({ headers }) => `There were too many attempts. Try again ${waitIn(headers['retry-after'])}.`,
  ERR_BUSY: ({ headers }) => `The service is busy. Try again ${waitIn(headers['retry-after'])}.`
}

/** When to try again, by the header of the same name. */
export function waitIn (retryAfter: unknown): string {
  const seconds = Number(retryAfter)
  return seconds > 0 ? `in ${inWords(seconds)}` : 'in a moment'
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
