/**
 * Processes by pid, told apart from later ones that were given the same pid.
 *
 * Linux says when a process started, so a reused pid is noticed; elsewhere a live pid counts as the same process.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { codeOf } from './errors.js'
import { readIfThere } from './files.js'

const POLL_EVERY_MS = 20

export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks from boot to its start; `null` where the system does not tell. */
  readonly startTime: string | null
}

/** The live process with this pid; `null` when there is none, or only an unreaped zombie. */
export async function findProcess (pid: number): Promise<ProcessIdentity | null> {
  if (!Number.isSafeInteger(pid) || pid < 1) return null
  const stat = await readIfThere(`/proc/${pid}/stat`).catch(() => null) // ESRCH: it ended while being read
  if (stat === null) return signalReaches(pid) ? { pid, startTime: null } : null
  // The second field, the program's name in brackets, may itself hold spaces and brackets.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : { pid, startTime: rest[18] ?? null }
}

/** Whether this very process still runs. */
export async function isRunning ({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  const found = await findProcess(pid)
  return found !== null && (found.startTime === null || startTime === null || found.startTime === startTime)
}

/** Resolves to `true` as soon as the process is gone, to `false` when it still runs after `withinMs`. */
export async function awaitEnd (identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (await isRunning(identity)) {
    if (performance.now() >= deadline) return false
    await pause(POLL_EVERY_MS)
  }
  return true
}

/** Whether the process is the main process of a PostgreSQL server on `cluster` (a real path). */
export async function servesCluster (pid: number, cluster: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
    return stdout.includes('postgres') && stdout.includes(cluster)
  }
  try {
    // A server's working folder is its data folder, wherever that was moved to since.
    const [program] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    return basename(program ?? '') === 'postgres' && await readlink(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false // gone, or another user's: in either case no server of ours
  }
}

function signalReaches (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
