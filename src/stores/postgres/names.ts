import { createHash } from 'node:crypto'
import { show } from '../../core/options.js'

const NAME = /^[a-z_][a-z0-9_]{0,62}$/
/** PostgreSQL cuts longer names silently. */
const MAX_NAME = 63
const DEFAULT_TABLE = 'sessions'

export interface TableOptions {
  /** The schema of the tables. Default `public`. */
  readonly schema?: string
  /** The sessions table. Another name than the default also becomes the prefix of the other tables. Default `sessions`. */
  readonly tableName?: string
}

/** Where the tables of one store are. The tables' names are quoted and stand in SQL as they are; the others are not quoted. */
export interface Tables {
  /** The schema's name, not quoted. */
  readonly schema: string
  /** The sessions table, with its schema. */
  readonly sessions: string
  /** The table of refresh tokens, with its schema. */
  readonly refreshTokens: string
  /** The table of what access tokens must be refused, with its schema. */
  readonly revocations: string
  /** The channel on which revocations are announced, not quoted: that of the migration's trigger. */
  readonly channel: string
  /** The table of caches, with its schema. */
  readonly cacheLeases: string
  /** The channel on which changes are announced to caches, not quoted: that of the migration's trigger. */
  readonly cacheChannel: string
  /** The table of the migrations that have been run: its name, not quoted. */
  readonly migrations: string
  /** What keys of advisory locks begin with, so that stores on other tables do not wait for each other. */
  readonly lockKey: string
  /** The name, not quoted, of an object that is called `name` where the table is called `sessions`. */
  renamed (name: string): string
}

/** @throws TypeError naming the option that is no plain lower-case name; anything else could be SQL */
export function tables ({ schema = 'public', tableName = DEFAULT_TABLE }: TableOptions = {}): Tables {
  checkName('schema', schema)
  checkName('tableName', tableName)
  const renamed = (name: string): string => {
    if (tableName === DEFAULT_TABLE) return name
    if (name === DEFAULT_TABLE) return tableName
    return name.startsWith(`${DEFAULT_TABLE}_`) ? fitted(tableName + name.slice(DEFAULT_TABLE.length)) : fitted(`${tableName}_${name}`)
  }
  return Object.freeze({
    schema,
    sessions: `${quoted(schema)}.${quoted(tableName)}`,
    refreshTokens: `${quoted(schema)}.${quoted(renamed('refresh_tokens'))}`,
    revocations: `${quoted(schema)}.${quoted(renamed('revocations'))}`,
    channel: channelOf(`silverback:${schema}.${tableName}`),
    cacheLeases: `${quoted(schema)}.${quoted(renamed('cache_leases'))}`,
    cacheChannel: channelOf(`silverback:cache:${schema}.${tableName}`),
    migrations: renamed('silverback_migrations'),
    lockKey: `silverback:${schema}.${tableName}:`,
    renamed
  })
}

/** A name that was checked, as it stands in SQL. */
export function quoted (name: string): string {
  return `"${name}"`
}

function checkName (option: string, given: unknown): void {
  if (typeof given !== 'string' || !NAME.test(given)) {
    throw new TypeError(`"${option}" option must match ${NAME.source}; got ${show(given)}`)
  }
}

/** The name itself, or where PostgreSQL would cut it, one that is still of its own. */
function fitted (name: string): string {
  if (name.length <= MAX_NAME) return name
  return `${name.slice(0, MAX_NAME - 9)}_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}

/** The name itself, or where PostgreSQL would refuse it, what the trigger makes of it too. */
function channelOf (name: string): string {
  if (name.length <= MAX_NAME) return name
  return `silverback:${createHash('sha256').update(name).digest('hex').slice(0, 40)}`
}
