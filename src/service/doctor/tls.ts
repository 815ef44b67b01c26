import { databaseUrlFault } from '../../stores/postgres/connection-string.js'
import type { DatabaseConfig } from '../config/database.js'
import { ok, warning } from './finding.js'
import type { Finding } from './finding.js'

const REMEDY = 'add sslmode=verify-full, and sslrootcert where the certificate is of an authority of your own'

/** The way to the database. In production the configuration itself refuses one that others can read; elsewhere it is told here. */
export function checkTls ({ url, directUrl, migrationUrl }: DatabaseConfig): Finding[] {
  const given = Object.entries({ DATABASE_URL: url, DATABASE_DIRECT_URL: directUrl, DATABASE_MIGRATION_URL: migrationUrl })
  const findings = given.flatMap(([name, secret]) => {
    const refusal = secret === undefined ? null : databaseUrlFault(secret.reveal(), true)
    return refusal === null ? [] : [warning('tls', `${name} ${refusal}`, REMEDY)]
  })
  return findings.length > 0 ? findings : [ok('tls', 'the way to the database stays on this machine, or is encrypted and its certificate checked')]
}
