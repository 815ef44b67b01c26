import type { Claims, JsonObject, SessionRecord } from '../session/store.js'
import { copyJson } from './json.js'

/** A record that shares nothing with the given one. Hashes have memory of their own: a part of Buffer's pool would keep all of it. */
export function copyRecord (record: SessionRecord): SessionRecord {
  return {
    id: record.id,
    secretHash: new Uint8Array(record.secretHash),
    userId: record.userId,
    values: copyOfJson(record.values),
    claims: copyOfJson(record.claims),
    createdAt: new Date(record.createdAt),
    expiresAt: new Date(record.expiresAt),
    absoluteExpiresAt: new Date(record.absoluteExpiresAt),
    lastSeenAt: new Date(record.lastSeenAt),
    authenticatedAt: record.authenticatedAt && new Date(record.authenticatedAt),
    maxAge: record.maxAge,
    userAgent: record.userAgent,
    clientIp: record.clientIp,
    blockedAt: record.blockedAt && new Date(record.blockedAt),
    blockedReason: record.blockedReason,
    version: record.version,
    readAt: new Date(record.readAt)
  }
}

/** What a copy of JSON is, the original was. */
const copyOfJson = <T extends JsonObject | Claims>(value: T): T => copyJson(value as JsonObject) as T
