/**
 * What lies in a service's data folder, and how its PostgreSQL cluster is made.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { underAccount, type Account } from './account.js'
import type { Binaries } from './binaries.js'
import { EmbeddedPostgresError, messageOf } from './errors.js'
import { giveTree, readIfThere } from './files.js'

/** The superuser of the cluster, and the only role in a new one. */
export const ROLE = 'silverback'

const UNFINISHED = 'unfinished-'

/** The paths in a data folder. The lock file of the service stands beside them. */
export interface Layout {
  readonly folder: string
  /** PostgreSQL's own data folder. It is there only when it is complete. */
  readonly cluster: string
  /** The superuser's password, readable by the owner only. */
  readonly password: string
  /** What PostgreSQL wrote to its standard error. */
  readonly log: string
  /** Holds the socket, unless the path is too long for one. */
  readonly run: string
}

export function layoutOf (folder: string): Layout {
  return {
    folder,
    cluster: join(folder, 'cluster'),
    password: join(folder, 'password'),
    log: join(folder, 'postgres.log'),
    run: join(folder, 'run')
  }
}

/** The major version that made the cluster, such as `'15'`; `null` when there is no cluster yet. */
export async function clusterVersion ({ cluster }: Layout): Promise<string | null> {
  return (await readIfThere(join(cluster, 'PG_VERSION')))?.trim() ?? null
}

/** @throws EmbeddedPostgresError `ERR_DATA_DIR_BROKEN` when it is not there */
export async function readPassword ({ folder, password }: Layout): Promise<string> {
  const text = (await readIfThere(password))?.trim() ?? ''
  if (text !== '') return text
  throw new EmbeddedPostgresError('ERR_DATA_DIR_BROKEN',
    `the data folder ${folder} holds a database but no file "password": put that file back, or move the folder away to begin anew`)
}

/**
 * Makes the cluster, with a password of its own, in one step: a start cut short leaves nothing that a later one
 * could take for a cluster. What earlier ones left unfinished is removed. Call it with the folder's lock held.
 *
 * @param sync `false` to leave the data to the operating system's buffers, for data that may be lost
 * @throws EmbeddedPostgresError `ERR_POSTGRES_START` with what `initdb` said; no cluster is left
 */
export async function createCluster (layout: Layout, binaries: Binaries, account: Account, { sync }: { sync: boolean }): Promise<void> {
  for (const name of await readdir(layout.folder)) {
    if (name.startsWith(UNFINISHED)) await rm(join(layout.folder, name), { recursive: true, force: true })
  }
  const unfinished = join(layout.folder, UNFINISHED + randomBytes(4).toString('hex'))
  await mkdir(unfinished, { mode: 0o700 })
  await ensurePassword(layout)
  await giveTo(unfinished, account)
  await giveTo(layout.password, account) // initdb reads it
  const { file, args, options } = underAccount(account, binaries.initdb, [
    `--pgdata=${unfinished}`, `--username=${ROLE}`, `--pwfile=${layout.password}`, '--auth=scram-sha-256',
    '--encoding=UTF8', '--locale=C', ...(sync ? [] : ['--no-sync'])
  ])
  try {
    await promisify(execFile)(file, args, options)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw new EmbeddedPostgresError('ERR_POSTGRES_START', `initdb could not make a database in ${layout.folder}: ${messageOf(error)}`)
  }
  await rename(unfinished, layout.cluster)
}

/** Hands a cluster over when it was made under another account than today's. A no-op for an ordinary user. */
export async function adjustOwner ({ cluster }: Layout, { credentials }: Account): Promise<void> {
  if (process.getuid?.() === 0) await giveTree(cluster, credentials?.uid ?? 0, credentials?.gid ?? 0)
}

async function giveTo (path: string, { credentials }: Account): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, credentials?.uid ?? 0, credentials?.gid ?? 0)
}

/** The file is written before the cluster is made, and an existing one is kept: a start cut short in between does no harm. */
async function ensurePassword ({ password }: Layout): Promise<void> {
  if ((await readIfThere(password) ?? '').trim() !== '') return
  await writeFile(password, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
}
