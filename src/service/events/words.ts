import type { EventKind, SessionEvent } from './event.js'

type Words = (reason: string | null) => string

const because = (text: string): Words => (reason) => reason === null ? text : `${text}: ${reason}`

const WORDS: Readonly<Record<EventKind, Words>> = {
  registered: () => 'the user registered',
  began: () => 'the user signed in',
  signedIn: () => 'the user signed in',
  signedInAgain: () => 'its browser signed in again, and got another session',
  evicted: () => 'its user signed in elsewhere, and had as many sessions as allowed',
  renewed: (reason) => `the session got another id; before it was ${reason ?? 'another'}`,
  reauthenticated: () => 'the user proved again who they are',
  passwordChanged: () => 'the user changed their password',
  refreshed: () => 'was refreshed',
  blocked: because('blocked'),
  unblocked: (reason) => reason === null ? 'the block was lifted' : `the block was lifted, ${reason}`,
  blockedByAdmin: because('blocked by an administrator'),
  unblockedByAdmin: () => 'the block was lifted by an administrator',
  tokenReused: () => 'blocked: a superseded refresh token came back, so two parties hold the session',
  tokenAhead: () => 'a refresh token came that is newer than the database, which had lost its last commits',
  tokenMismatch: () => 'a refresh token was refused: it is genuine, and not the one that was given',
  signedOut: (reason) => reason === 'revoked' ? 'the client revoked its refresh token' : 'the user signed out',
  endedByUser: () => 'ended by the user from another session',
  endedByAdmin: because('ended by an administrator'),
  signedOutByAdmin: () => 'an administrator signed the user out everywhere',
  disabled: () => 'an administrator disabled the user',
  enabled: () => 'an administrator enabled the user',
  promoted: () => 'the user was made an administrator',
  ended: because('ended'),
  expired: () => 'expired unseen'
}

/** What an event says to people. Of a kind that another version has written, the kind itself. */
export function toWords ({ kind, sessionId, reason }: SessionEvent): string {
  if (kind === 'endedByUser' && sessionId === null) return reason === null ? 'the user signed out everywhere' : 'the user ended all sessions but another'
  const words = new Map<string, Words>(Object.entries(WORDS)).get(kind)
  return words === undefined ? because(kind)(reason) : words(reason)
}
