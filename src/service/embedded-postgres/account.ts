/**
 * The account under which PostgreSQL runs. It refuses to run as root, so for root another one has to be found.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { chmod, chown, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { EmbeddedPostgresError } from './errors.js'

/** The uid and gid of "nobody" on Linux, which no file belongs to. */
const NOBODY = 65_534

/** How to start a program under an account. */
export interface Account {
  /** What stands before the program and its arguments. */
  readonly prefix: readonly string[]
  /** Set for another account than that of this process. */
  readonly credentials: { readonly uid: number, readonly gid: number } | null
}

export interface AccountOptions {
  /** The service's data folder. */
  readonly folder: string
  /** An empty folder in it, in which the account must be able to write. */
  readonly scratch: string
  /** The server program, which the account must be able to run. */
  readonly postgres: string
  /** The program `unshare` of util-linux. */
  readonly unshare: string
}

const OWN: Account = { prefix: [], credentials: null }

/**
 * Chooses the first account that can run PostgreSQL on the folder, found by trying.
 *
 * An ordinary user runs it as itself. For root: in a user namespace, in which root looks like user 1000 while the
 * files stay root's; where namespaces are forbidden, as the user `postgres`, as nobody, or as the owner of
 * the folder above.
 *
 * @throws EmbeddedPostgresError `ERR_POSTGRES_USER` when none can
 */
export async function chooseAccount (options: AccountOptions): Promise<Account> {
  const { folder, scratch, postgres } = options
  if (process.getuid?.() !== 0) return OWN
  for (const account of await accountsForRoot(options)) {
    await openFolder(folder, account)
    if (await works(account, scratch, postgres)) return account
  }
  await openFolder(folder, OWN)
  throw new EmbeddedPostgresError('ERR_POSTGRES_USER',
    `PostgreSQL does not run as root, and no other user can reach both ${folder} and ${postgres}: ` +
    'start the service as an ordinary user, or put its data into a folder open to others, or set DATABASE_URL')
}

/**
 * Refuses an ordinary user the folder of another one, before anything is written.
 *
 * @throws EmbeddedPostgresError `ERR_DATA_DIR_BROKEN`
 */
export async function refuseForeignFolder (folder: string): Promise<void> {
  const self = process.getuid?.() ?? 0
  const { uid } = await stat(folder)
  if (self === 0 || uid === self) return
  throw new EmbeddedPostgresError('ERR_DATA_DIR_BROKEN',
    `the data folder ${folder} belongs to another user (uid ${uid}): start the service as that user, or set DATA_DIR to another folder`)
}

/** Arguments and options to start a program under the account; its environment holds no secret of the service. */
export function underAccount ({ prefix, credentials }: Account, program: string, args: readonly string[]) {
  const [file = program, ...rest] = [...prefix, program, ...args]
  const inherited = ['PATH', 'LD_LIBRARY_PATH', 'TZ'].flatMap((name) => process.env[name] === undefined ? [] : [[name, process.env[name]]])
  const env: NodeJS.ProcessEnv = { ...Object.fromEntries(inherited), LC_ALL: 'C' }
  return { file, args: rest, options: { env, cwd: '/', ...credentials } } // the account may not reach our own folder
}

async function accountsForRoot ({ folder, unshare }: AccountOptions): Promise<Account[]> {
  const above = await stat(dirname(folder))
  const others = [
    await systemAccount('postgres'),
    { uid: NOBODY, gid: NOBODY },
    above.uid === 0 ? null : { uid: above.uid, gid: above.gid }
  ]
  const namespace = { prefix: [unshare, '--user', '--map-user=1000', '--map-group=1000'], credentials: null }
  return [namespace, ...others.flatMap((credentials) => credentials === null ? [] : [{ prefix: [], credentials }])]
}

async function systemAccount (name: string): Promise<{ uid: number, gid: number } | null> {
  try {
    const ids = await Promise.all(['-u', '-g'].map(async (flag) => Number((await promisify(execFile)('id', [flag, name])).stdout)))
    const [uid = 0, gid = 0] = ids
    return uid === 0 ? null : { uid, gid }
  } catch {
    return null // no such user
  }
}

/**
 * Lets the account through to its own parts, or closes the folder when it needs no way in. The folder itself stays
 * root's: were it another's, links planted in it could make root write elsewhere.
 */
async function openFolder (folder: string, { credentials }: Account): Promise<void> {
  await chmod(folder, credentials === null ? 0o700 : 0o711)
}

async function works (account: Account, scratch: string, postgres: string): Promise<boolean> {
  const { uid, gid } = account.credentials ?? { uid: 0, gid: 0 }
  await chown(scratch, uid, gid)
  const { file, args, options } = underAccount(account, 'sh', ['-c', 'cd "$0" && test -w . && exec "$1" --version', scratch, postgres])
  return await promisify(execFile)(file, args, options).then(() => true, () => false)
}
