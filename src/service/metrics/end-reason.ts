/** Why sessions end before their time, as it is counted. */
export const COUNTED_REASONS = [
  // by its own user; a visitor's session by whoever has it, or because they signed in
  'signed_out', 'revoked', 'signed_in_again', 'visitor_left', 'visitor_signed_in',
  // by another session of the user
  'evicted', 'ended_by_user', 'password_changed',
  'ended_by_admin', 'disabled', 'corrupt', 'other'
] as const

export type CountedReason = typeof COUNTED_REASONS[number]

/** What the sessions call otherwise. */
const OF_USERS: Readonly<Record<string, CountedReason>> = { logout: 'signed_out', replaced: 'signed_in_again' }
const OF_VISITORS: Readonly<Record<string, CountedReason>> = { logout: 'visitor_left', revoked: 'visitor_left', replaced: 'visitor_signed_in' }

/**
 * The reason that the event `ended` tells, as it is counted. What is none of ours is `other`: there is a bounded number.
 *
 * @param owner whose session it was; `null`: a visitor's, `undefined`: not known
 */
export function toCounted (reason: string, owner: string | null | undefined): CountedReason {
  const known = (owner === null ? OF_VISITORS[reason] : undefined) ?? OF_USERS[reason] ?? reason
  return COUNTED_REASONS.find((counted) => counted === known) ?? 'other'
}
