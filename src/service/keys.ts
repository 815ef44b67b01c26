import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { KEY_BYTES, parseKeys } from '../core/keys.js'
import { parseSigningKeys } from '../tokens/signing-keys.js'
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

/** What a file holds: keys by their variables, how each is made, and what refuses one that is none. */
interface KeyRing<K extends string> {
  readonly file: string
  readonly what: string
  readonly make: Readonly<Record<K, () => string>>
  readonly check: Readonly<Record<K, (text: string) => void>>
}

const randomKey = (): string => randomBytes(KEY_BYTES).toString('base64url')

/** Makes new keys, each as its variable takes it. */
export const MAKE_KEY = {
  SESSION_AUTH_KEYS: randomKey,
  SESSION_ENCRYPTION_KEYS: randomKey,
  TOKEN_SIGNING_KEYS: (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  TOKEN_REFRESH_KEYS: randomKey
} as const

const SESSION_KEYS: KeyRing<'SESSION_AUTH_KEYS'> = {
  file: 'keys.json',
  what: 'session keys',
  make: { SESSION_AUTH_KEYS: MAKE_KEY.SESSION_AUTH_KEYS },
  check: { SESSION_AUTH_KEYS: (text) => { parseKeys('keys', text) } }
}

/** A file of their own: a file of keys is never written again, and that of sessions is older. */
const TOKEN_KEYS: KeyRing<'TOKEN_SIGNING_KEYS' | 'TOKEN_REFRESH_KEYS'> = {
  file: 'token-keys.json',
  what: 'token keys',
  make: { TOKEN_SIGNING_KEYS: MAKE_KEY.TOKEN_SIGNING_KEYS, TOKEN_REFRESH_KEYS: MAKE_KEY.TOKEN_REFRESH_KEYS },
  check: {
    TOKEN_SIGNING_KEYS: (text) => { parseSigningKeys(text) },
    TOKEN_REFRESH_KEYS: (text) => { parseKeys('keys', text) }
  }
}

/**
 * The session keys of a service in development: made once, kept in `keys.json` with access for its owner only, read back
 * later.
 *
 * Of starts at the same time all get the same keys: the file appears complete, and the first one stays. Not for
 * production, where machines would disagree.
 *
 * @throws KeysFileError when the file is damaged, or belongs to somebody else and is open to others
 */
export async function developmentKeys (options: KeysFileOptions): Promise<Secret> {
  return (await openRing(SESSION_KEYS, options)).SESSION_AUTH_KEYS
}

/** The same for the keys of tokens, in `token-keys.json`. */
export async function developmentTokenKeys (options: KeysFileOptions): Promise<{ readonly signingKeys: Secret, readonly refreshKeys: Secret }> {
  const { TOKEN_SIGNING_KEYS: signingKeys, TOKEN_REFRESH_KEYS: refreshKeys } = await openRing(TOKEN_KEYS, options)
  return { signingKeys, refreshKeys }
}

async function openRing<K extends string> (ring: KeyRing<K>, { dataDir, log }: KeysFileOptions): Promise<Readonly<Record<K, Secret>>> {
  const path = join(dataDir, ring.file)
  const kept = await readKeys(ring, path, log)
  if (kept !== null) return kept
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  if (await makeKeys(ring, dataDir, path)) log(`${ring.what} made for development and kept in ${path}`)
  const made = await readKeys(ring, path, log)
  if (made === null) throw new KeysFileError(`${path} was removed while the service started: start it again`)
  return made
}

/** Resolves to whether the file is ours; another start may have been quicker. */
async function makeKeys<K extends string> ({ make }: KeyRing<K>, dataDir: string, path: string): Promise<boolean> {
  const draft = join(dataDir, `keys-${randomBytes(8).toString('hex')}.tmp`)
  const keys = Object.fromEntries(Object.entries<() => string>(make).map(([name, makeOne]) => [name, makeOne()]))
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(keys, null, 2)}\n`)
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
async function readKeys<K extends string> (ring: KeyRing<K>, path: string, log: (message: string) => void): Promise<Readonly<Record<K, Secret>> | null> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw new KeysFileError(`${path} cannot be read (${codeOf(error)}): remove it to begin with new keys, which ends all sessions`)
  }
  try {
    await closeToOthers(file, path, log)
    return parse(ring, await file.readFile('utf8'), path)
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

function parse<K extends string> ({ check }: KeyRing<K>, text: string, path: string): Readonly<Record<K, Secret>> {
  try {
    const content: unknown = JSON.parse(text)
    const keys = Object.entries<(text: string) => void>(check).map(([name, checkOne]): [string, Secret] => {
      const key: unknown = Reflect.get(Object(content), name)
      if (typeof key !== 'string') throw new TypeError('no keys')
      checkOne(key)
      return [name, new Secret(key)]
    })
    return Object.fromEntries(keys) as Record<K, Secret> // the names of `check` are K
  } catch {
    // the reason could quote the file
    throw new KeysFileError(`${path} holds no usable keys: remove it to begin with new ones, which ends all sessions`)
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
