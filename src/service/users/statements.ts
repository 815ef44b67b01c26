/**
 * Every statement on users. Text and parameters stand side by side.
 *
 * `stamp` is `sessions_valid_after` to the microsecond, as text: it is compared, never read. What moves it moves it by a
 * microsecond at least.
 *
 * @module
 */
import type { Statement } from '../../stores/postgres/statement.js'
import { template } from '../../stores/postgres/statement.js'
import { TABLES, USERS } from '../database/tables.js'

const STAMP = 'extract(epoch FROM u.sessions_valid_after)::text'
const MOVED = "GREATEST(clock_timestamp(), u.sessions_valid_after + interval '1 microsecond')"
const COLUMNS = `u.id, u.email, u.email_key, u.password_hash, u.is_admin, u.disabled_at IS NOT NULL AS disabled, ${STAMP} AS stamp,
    floor(extract(epoch FROM u.created_at) * 1000)::bigint AS created_at, floor(extract(epoch FROM u.updated_at) * 1000)::bigint AS updated_at`

/** What is stored of a user who registers. */
export interface NewUser {
  readonly email: string
  readonly emailKey: string
  readonly passwordHash: string
  readonly isAdmin: boolean
}

const ADD = template('addUser', () => `
  INSERT INTO ${USERS} AS u (email, email_key, password_hash, is_admin) VALUES ($1, $2, $3, $4::boolean)
  ON CONFLICT (email_key) DO NOTHING
  RETURNING ${COLUMNS}`)

/** One row, or none: the address is taken. */
export const addUser = ({ email, emailKey, passwordHash, isAdmin }: NewUser): Statement => ADD(TABLES, [email, emailKey, passwordHash, isAdmin])

const FIND = template('findUser', () => `SELECT ${COLUMNS} FROM ${USERS} AS u WHERE u.email_key = $1`)

export const findUser = (emailKey: string): Statement => FIND(TABLES, [emailKey])

const GET = template('getUser', () => `SELECT ${COLUMNS} FROM ${USERS} AS u WHERE u.id = $1::uuid`)

export const getUser = (id: string): Statement => GET(TABLES, [id])

const REHASH = template('rehash', () => `
  UPDATE ${USERS} AS u SET password_hash = $3 WHERE u.id = $1::uuid AND u.password_hash = $2 RETURNING u.id`)

/** One row, or none. The same password under other parameters, unless it has changed meanwhile. */
export const rehash = (id: string, from: string, to: string): Statement => REHASH(TABLES, [id, from, to])

const CHANGE_PASSWORD = template('changePassword', (tables) => `
  WITH changed AS (
    UPDATE ${USERS} AS u SET password_hash = $3, sessions_valid_after = ${MOVED}, updated_at = clock_timestamp()
    WHERE u.id = $1::uuid AND u.password_hash = $2
    RETURNING u.id
  ), ended AS (
    DELETE FROM ${tables.sessions} AS t USING changed AS c WHERE t.user_id = c.id::text AND t.id <> $4::uuid RETURNING t.id
  )
  SELECT c.id, (SELECT count(*) FROM ended) AS ended FROM changed AS c`)

/**
 * Changes the password and ends all sessions of the user but one, both or neither: a password must not have changed where
 * somebody who knew the old one is still signed in. One row, or none: the hash is no longer that one.
 */
export const changePassword = (id: string, from: string, to: string, spared: string): Statement => CHANGE_PASSWORD(TABLES, [id, from, to, spared])

const MOVE_STAMP = template('moveStamp', () => `
  UPDATE ${USERS} AS u SET sessions_valid_after = ${MOVED} WHERE u.id = $1::uuid RETURNING u.id`)

/** Sign-ins whose password was checked before do not hold. One row, or none: no such user. */
export const moveStamp = (id: string): Statement => MOVE_STAMP(TABLES, [id])

const DISABLE = template('disableUser', (tables) => `
  WITH disabled AS (
    UPDATE ${USERS} AS u
    SET disabled_at = coalesce(u.disabled_at, clock_timestamp()), sessions_valid_after = ${MOVED}, updated_at = clock_timestamp()
    WHERE u.id = $1::uuid
    RETURNING u.id
  ), ended AS (
    DELETE FROM ${tables.sessions} AS t USING disabled AS d WHERE t.user_id = d.id::text RETURNING t.id
  )
  SELECT d.id, (SELECT count(*) FROM ended) AS ended FROM disabled AS d`)

/** Disables a user and ends their sessions, both or neither. One row, or none: no such user. The first time stands. */
export const disableUser = (id: string): Statement => DISABLE(TABLES, [id])

const ENABLE = template('enableUser', () => `
  UPDATE ${USERS} AS u
  SET disabled_at = NULL, updated_at = CASE WHEN u.disabled_at IS NULL THEN u.updated_at ELSE clock_timestamp() END
  WHERE u.id = $1::uuid
  RETURNING u.id`)

/** One row, or none: no such user. */
export const enableUser = (id: string): Statement => ENABLE(TABLES, [id])

const PROMOTE = template('promoteUser', () => `
  UPDATE ${USERS} AS u
  SET is_admin = true, updated_at = CASE WHEN u.is_admin THEN u.updated_at ELSE clock_timestamp() END
  WHERE u.id = $1::uuid
  RETURNING u.id`)

/** One row, or none: no such user. */
export const promoteUser = (id: string): Statement => PROMOTE(TABLES, [id])

const HOLDS = template('userHolds', () => `
  SELECT 1 AS holds FROM ${USERS} AS u WHERE u.id = $1::uuid AND u.disabled_at IS NULL AND ${STAMP} = $2`)

/** One row when the user may sign in and `stamp` has not moved. */
export const userHolds = (id: string, stamp: string): Statement => HOLDS(TABLES, [id, stamp])
