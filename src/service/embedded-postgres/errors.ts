/**
 * The errors of the embedded PostgreSQL. Messages say what to do and never hold the password.
 *
 * @module
 */

/** Stable codes. Callers switch on these; message texts may change in any release. */
export type EmbeddedPostgresErrorCode =
  /** Another live service holds the data folder. */
  | 'ERR_DATA_DIR_IN_USE'
  /** The data folder was made by another major version of PostgreSQL than those found. */
  | 'ERR_DATA_DIR_VERSION'
  /** The data folder cannot be used: its password is gone or wrong, or it belongs to another user. */
  | 'ERR_DATA_DIR_BROKEN'
  /** The data folder holds no database yet, and none was to be made. */
  | 'ERR_DATA_DIR_EMPTY'
  /** No usable PostgreSQL server program was found. */
  | 'ERR_POSTGRES_MISSING'
  /** Started by root, and no user was found under which PostgreSQL can run. */
  | 'ERR_POSTGRES_USER'
  /** PostgreSQL was started and ended, or did not answer in time. */
  | 'ERR_POSTGRES_START'
  /** PostgreSQL did not stop in time. */
  | 'ERR_POSTGRES_STOP'

/** Every error that the embedded PostgreSQL throws on purpose. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresErrorCode
  override get name (): string { return 'EmbeddedPostgresError' }
  constructor (code: EmbeddedPostgresErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** The `code` of a system or database error; an empty string where there is none. */
export function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** The message of whatever was thrown. */
export function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
