import type { Database } from '../../../stores/postgres/query.js'
import type { AdminActs } from '../../admin/acts.js'
import type { EventLog } from '../../events/event-log.js'
import type { Statistics } from '../../stats/statistics.js'
import type { UserStore } from '../../users/user-store.js'

/** What the pages for administrators work with. */
export interface AdminParts {
  readonly database: Database
  readonly users: UserStore
  readonly acts: AdminActs
  readonly events: EventLog
  readonly statistics: Statistics
}
