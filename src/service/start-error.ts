import { resolve } from 'node:path'

/** The system refused what the service needs to start. The message says which variable to set. */
export class StartError extends Error {
  override get name (): string { return 'StartError' }
}

const OF_HOST: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'])

/** What an error of listening means to whoever starts the service. Other errors stay as they are. */
export function listenError (error: unknown, { host, port }: { readonly host: string, readonly port: number }): unknown {
  if (!isSystemError(error)) return error
  if (OF_HOST.has(error.code)) return new StartError(`cannot listen on the host ${host} (${error.code}): set HOST to a name or an address of this machine`, { cause: error })
  const why = error.code === 'EADDRINUSE' ? 'is taken' : 'cannot be listened on'
  return new StartError(`the port ${port} ${why} (${error.code}): set PORT to another one`, { cause: error })
}

/** What an error of the file system in the data folder, or on the way to it, means. Other errors stay as they are. */
export function folderError (error: unknown, dataDir: string): unknown {
  if (!isSystemError(error) || error.syscall.startsWith('spawn')) return error
  return new StartError(`the data folder ${resolve(dataDir)} cannot be used; set DATA_DIR to a folder in which we may write (${error.message})`, { cause: error })
}

function isSystemError (error: unknown): error is Error & { readonly code: string, readonly syscall: string } {
  return error instanceof Error && 'syscall' in error && typeof error.syscall === 'string' && 'code' in error && typeof error.code === 'string'
}
