import { StoreError } from '../core/errors.js'
import { ConfigError } from '../service/config/error.js'
import { MAKE_DATABASE } from '../service/database/reach.js'
import { EmbeddedPostgresError } from '../service/embedded-postgres.js'

/** SQLSTATEs, and where to go on from there. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['42501', 'see docs/grants.sql'], // insufficient_privilege
  ['42P01', 'see: silverback migrate status'], // undefined_table
  ['42703', 'see: silverback migrate status'] // undefined_column
])

/** The embedded database is still to be made. */
export const isNoDatabase = (error: unknown): error is EmbeddedPostgresError => error instanceof EmbeddedPostgresError && error.code === 'ERR_DATA_DIR_EMPTY'

/** What failed, in a line or a list. The driver's messages hold hosts and roles, and no password. */
export function explain (error: unknown): string {
  if (isNoDatabase(error)) return `${error.message}: ${MAKE_DATABASE}`
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError) return error.message
  if (error instanceof StoreError && error.cause !== undefined) return explain(error.cause)
  if (error instanceof AggregateError) return error.errors.map(explain).join('; ') // an address of each family was tried
  if (!(error instanceof Error)) return String(error)
  const [line = ''] = error.message.split('\n') // the runner of migrations appends the whole statement
  const code = 'code' in error ? String(error.code) : ''
  const hint = HINTS.get(code) ?? (/permission denied/.test(line) ? HINTS.get('42501') : undefined)
  return `${line}${code === '' ? '' : ` (${code})`}${hint === undefined ? '' : ` (${hint})`}`
}
