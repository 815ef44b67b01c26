import type { UserStore } from './user-store.js'

/** Ends all sessions of a user; resolves to how many. */
export type EndSessions = (userId: string) => Promise<number>

/** Counts sessions that have ended together with what was done to their user. */
export type CountEnded = (count: number) => void

/**
 * Signs a user out everywhere. Sign-ins under way end themselves: the stamp moves before the sessions are ended.
 *
 * Resolves to how many sessions were ended; to `null`: there is no such user. @throws StoreError
 */
export async function logOutUser (users: UserStore, id: string, endSessions: EndSessions): Promise<number | null> {
  return await users.moveStamp(id) ? await endSessions(id) : null
}

/** The same, and the user cannot sign in until they are enabled. A user is not disabled whose sessions could not be ended. */
export async function disableUser (users: UserStore, id: string, endSessions: EndSessions, countEnded: CountEnded): Promise<number | null> {
  const ended = await users.disable(id)
  if (ended === null) return null
  if (ended > 0) countEnded(ended)
  return ended + await endSessions(id) // those of sign-ins that were under way
}
