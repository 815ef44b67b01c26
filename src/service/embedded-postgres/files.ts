/**
 * Small file operations that the parts of the embedded PostgreSQL share.
 *
 * @module
 */
import { chown, lstat, open, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from './errors.js'

/** The whole text of a file; `null` when it is not there. */
export async function readIfThere (path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** The text of a file from `offset` bytes on, at most its last `limit` bytes. */
export async function readTail (path: string, offset: number, limit = 4_096): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const from = Math.max(offset, size - limit)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - from)), 0, null, from)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/**
 * Gives a folder and all in it to a user. A no-op when the folder is the user's already: it is changed last, so
 * that a change cut short is taken up again.
 */
export async function giveTree (path: string, uid: number, gid: number): Promise<void> {
  if ((await lstat(path)).uid === uid) return
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await giveTree(child, uid, gid)
    else if (!entry.isSymbolicLink()) await chown(child, uid, gid)
  }
  await chown(path, uid, gid)
}
