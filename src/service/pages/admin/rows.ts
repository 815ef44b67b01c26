import type { AdminEntry } from '../../admin/session-list.js'
import { toMoment } from '../time-words.js'
import { findUrl, sessionUrl, userUrl } from './urls.js'

/** A session as a row of a table. */
export function toSessionRow ({ id, current, device, clientIp, lastSeenAt, blocked, user }: AdminEntry, now: number) {
  return {
    url: sessionUrl(id),
    name: shorten(id),
    user: user === null ? null : { name: user.email ?? user.id, url: userUrl(user.id), isDisabled: user.isDisabled },
    device: device ?? 'Unknown device',
    network: clientIp === null ? null : { name: clientIp, url: findUrl({ q: clientIp }) },
    lastSeen: toMoment(lastSeenAt, now),
    state: current ? { name: 'This one', look: '' } : blocked ? { name: 'Blocked', look: ' wrong' } : { name: 'Live', look: '' }
  }
}

/** Enough of an id to tell sessions apart in a list. */
export const shorten = (id: string): string => id.slice(0, 8)

/** The first letter large. */
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`
