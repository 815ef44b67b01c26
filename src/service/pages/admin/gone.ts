import { RequestError } from '../../../plugins/problems.js'

/** For what was gone when it was to be done: `null`. @throws whatever else went wrong */
export function otherwiseGone (error: unknown): null {
  if (error instanceof RequestError && error.statusCode === 404) return null
  throw error
}
