import { equalHashes } from '../core/credential.js'
import type { RejectionReason } from './events.js'
import type { SessionRecord } from './store.js'
import { isValues } from './values.js'

/** Why a record is not the session of a cookie; `null`: it is. */
export function rejectionOf (record: SessionRecord | null, secretHash: Uint8Array): RejectionReason | null {
  if (record === null) return 'unknown'
  if (!equalHashes(record.secretHash, secretHash)) return 'replaced'
  return isValues(record.values) ? null : 'corrupt'
}
