import type { AuthParts } from '../../plugins/auth/parts.js'
import type { Accounts } from '../users/accounts.js'

/** What a page works with. */
export interface PageParts {
  readonly auth: AuthParts
  readonly accounts: Accounts
}
