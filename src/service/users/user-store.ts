import { isUuid } from '../../core/uuid.js'
import type { Database } from '../../stores/postgres/query.js'
import type { Row } from '../../stores/postgres/rows.js'
import type { Statement } from '../../stores/postgres/statement.js'
import type { NewUser } from './statements.js'
import * as statements from './statements.js'

/** A user, as the user and administrators see them. */
export interface User {
  readonly id: string
  readonly email: string
  readonly isAdmin: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A user with what a sign-in needs to know. Never leaves the service. */
export interface Account {
  readonly user: User
  readonly emailKey: string
  readonly passwordHash: string
  readonly isDisabled: boolean
  /** Another one whenever the sessions of before must end. */
  readonly stamp: string
}

/** Users in PostgreSQL. An id that is no UUID is nobody's. Every method rejects with StoreError when the database fails. */
export class UserStore {
  readonly #database: Database

  constructor (database: Database) {
    this.#database = database
  }

  /** `null`: the address is taken. */
  async add (user: NewUser): Promise<Account | null> {
    return toAccount(await this.#database.write(statements.addUser(user)))
  }

  async find (emailKey: string): Promise<Account | null> {
    return toAccount(await this.#database.read(statements.findUser(emailKey)))
  }

  async get (id: string): Promise<Account | null> {
    return isUuid(id) ? toAccount(await this.#database.read(statements.getUser(id))) : null
  }

  /** The same password under other parameters. Resolves to whether the hash was `from`. */
  async rehash (id: string, from: string, to: string): Promise<boolean> {
    return await this.#change(id, statements.rehash(id, from, to))
  }

  /**
   * All sessions of the user but `spared` end with it, and sign-ins that were checked against the old hash do not hold from
   * then on. Resolves to how many have ended; `null`: the hash was not `from`.
   */
  async changePassword (id: string, { from, to, spared }: { readonly from: string, readonly to: string, readonly spared: string }): Promise<number | null> {
    return isUuid(id) ? toEnded(await this.#database.write(statements.changePassword(id, from, to, spared))) : null
  }

  /** Sign-ins whose password was checked before do not hold from then on. Resolves to whether there is such a user. */
  async moveStamp (id: string): Promise<boolean> {
    return await this.#change(id, statements.moveStamp(id))
  }

  /** As `moveStamp`, and the user cannot sign in until they are enabled. Resolves to how many sessions have ended with it; `null`: no such user. */
  async disable (id: string): Promise<number | null> {
    return isUuid(id) ? toEnded(await this.#database.write(statements.disableUser(id))) : null
  }

  async enable (id: string): Promise<boolean> {
    return await this.#change(id, statements.enableUser(id))
  }

  /** Makes an administrator; sessions learn of it at the next sign-in. Resolves to whether there is such a user. */
  async promote (id: string): Promise<boolean> {
    return await this.#change(id, statements.promoteUser(id))
  }

  /** Whether the user is there, may sign in, and nothing has moved the stamp. */
  async holds ({ user, stamp }: Account): Promise<boolean> {
    return (await this.#database.read(statements.userHolds(user.id, stamp))).length === 1
  }

  async #change (id: string, statement: Statement): Promise<boolean> {
    return isUuid(id) && (await this.#database.write(statement)).length === 1
  }
}

const toEnded = ([row]: readonly Row[]): number | null => row === undefined ? null : Number(row['ended'])

function toAccount ([row]: readonly Row[]): Account | null {
  if (row === undefined) return null
  return {
    user: {
      id: String(row['id']),
      email: String(row['email']),
      isAdmin: row['is_admin'] === 't',
      createdAt: new Date(Number(row['created_at'])),
      updatedAt: new Date(Number(row['updated_at']))
    },
    emailKey: String(row['email_key']),
    passwordHash: String(row['password_hash']),
    isDisabled: row['disabled'] === 't',
    stamp: String(row['stamp'])
  }
}
