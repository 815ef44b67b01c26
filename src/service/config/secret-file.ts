import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

/** Far more than any secret has. */
const MAX_BYTES = 64 * 1024
const OTHERS = 0o077

/** What a file gave: the secret, or why there is none. */
export type SecretFile =
  | { readonly text: string, readonly isOpen: boolean }
  | { readonly fault: string }

/**
 * Reads a secret from a file, as Docker and Kubernetes hand them out. One newline at the end does not count.
 *
 * `isOpen`: users besides the owner have access. A fault never shows what the file holds.
 */
export function readSecretFile (path: string): SecretFile {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe without a writer must not hold up the start
  } catch (error) {
    return { fault: `names a file that cannot be read (${codeOf(error)})` }
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) return { fault: 'must name a regular file' }
    if (stat.size > MAX_BYTES) return { fault: `names a file over ${MAX_BYTES / 1024} KiB` }
    const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    return text === '' ? { fault: 'names a file that is empty' } : { text, isOpen: (stat.mode & OTHERS) !== 0 }
  } catch (error) {
    return { fault: `names a file that cannot be read (${codeOf(error)})` }
  } finally {
    closeSync(file)
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
