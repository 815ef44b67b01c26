import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { KEY_BYTES, parseKeys } from '../core/keys.js'
import { Secret } from './config/secret.js'

const OTHERS = 0o077

/** The file of keys is there and cannot be used. The message says what to do and shows nothing of it. */
export class KeysFileError extends Error {
  override get name (): string { return 'KeysFileError' }
}

/** Where the keys of a service that was given none are kept. */
export interface KeysFileOptions {
  readonly dataDir: string
  /** Told in a line each what was made or repaired. Never told a key. */
  readonly log: (message: string) => void
}

/**
 * The keys of a service in development: made once, kept in `keys.json` with access for its owner only, read back later.
 *
 * Of starts at the same time all get the same keys: the file appears complete, and the first one stays. Not for
 * production, where machines would disagree.
 *
 * @throws KeysFileError when the file is damaged, or belongs to somebody else and is open to others
 */
export async function developmentKeys ({ dataDir, log }: KeysFileOptions): Promise<Secret> {
  const path = join(dataDir, 'keys.json')
  const kept = await readKeys(path, log)
  if (kept !== null) return kept
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  if (await makeKeys(dataDir, path)) log(`session keys made for development and kept in ${path}`)
  const made = await readKeys(path, log)
  if (made === null) throw new KeysFileError(`${path} was removed while the service started: start it again`)
  return made
}

/** Resolves to whether the file is ours; another start may have been quicker. */
async function makeKeys (dataDir: string, path: string): Promise<boolean> {
  const draft = join(dataDir, `keys-${randomBytes(8).toString('hex')}.tmp`)
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ SESSION_AUTH_KEYS: randomBytes(KEY_BYTES).toString('base64url') }, null, 2)}\n`)
    await file.sync()
    await link(draft, path) // unlike rename, never replaces a file that is there
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await file.close()
    await unlink(draft)
  }
}

/** `null`: there is no file. */
async function readKeys (path: string, log: (message: string) => void): Promise<Secret | null> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw new KeysFileError(`${path} cannot be read (${codeOf(error)}): remove it to begin with new keys, which ends all sessions`)
  }
  try {
    await closeToOthers(file, path, log)
    return parse(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

async function closeToOthers (file: FileHandle, path: string, log: (message: string) => void): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile()) throw new KeysFileError(`${path} is not a regular file: remove it`)
  if ((stat.mode & OTHERS) === 0) return
  try {
    await file.chmod(0o600)
  } catch {
    throw new KeysFileError(`${path} is open to other users and belongs to one of them: remove it to begin with new keys, which ends all sessions`)
  }
  log(`${path} was open to other users; it is closed now. Remove it to begin with new keys, if one of them may have read it`)
}

function parse (text: string, path: string): Secret {
  try {
    const content: unknown = JSON.parse(text)
    const keys: unknown = typeof content === 'object' && content !== null && 'SESSION_AUTH_KEYS' in content ? content.SESSION_AUTH_KEYS : undefined
    if (typeof keys !== 'string') throw new TypeError('no keys')
    parseKeys('SESSION_AUTH_KEYS', keys)
    return new Secret(keys)
  } catch {
    // the reason could quote the file
    throw new KeysFileError(`${path} holds no usable keys: remove it to begin with new ones, which ends all sessions`)
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
