import type { SessionInfo } from '../../session/manager.js'
import { deviceOf } from '../device.js'

/** A session as its user sees it in the list of their devices. */
export interface SessionEntry {
  /** A handle: proves nothing. */
  readonly id: string
  /** Whether it is the one that asks. */
  readonly current: boolean
  /** Such as "Chrome on macOS"; `null`: not known. */
  readonly device: string | null
  readonly clientIp: string | null
  readonly createdAt: Date
  readonly lastSeenAt: Date
  readonly expiresAt: Date
  readonly blocked: boolean
}

/** Its dates are its own: those of a record may be shared. */
export function toEntry ({ id, userAgent, clientIp, createdAt, lastSeenAt, expiresAt, blockedAt }: SessionInfo, currentId: string): SessionEntry {
  return { id, current: id === currentId, device: deviceOf(userAgent), clientIp, createdAt: new Date(createdAt), lastSeenAt: new Date(lastSeenAt), expiresAt: new Date(expiresAt), blocked: blockedAt !== null }
}
