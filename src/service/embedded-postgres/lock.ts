/**
 * The lock of a service on its data folder: a file `service.lock` with the holder's pid and start time.
 *
 * A holder killed without warning leaves its lock behind. Taking such a lock over must have one winner, though any
 * number of starters find it at once, and must survive a starter that is killed half-way. So it is never deleted and
 * made again. A starter *claims* it, by a hard link named after the text of the stale lock: only one link of that name
 * can be made. The winner is the holder from then on, and renames its claim over the lock. A winner that dies
 * before it renames leaves a claim that is claimed in its turn.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import { link, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EmbeddedPostgresError, codeOf } from './errors.js'
import { readIfThere } from './files.js'
import { findProcess, isRunning } from './process.js'

const LOCK = 'service.lock'
const CLAIM = `${LOCK}.claim-`

export interface FolderLock {
  /** Gives the folder free. A no-op when it is free already or gone. */
  release (): Promise<void>
}

/**
 * Takes the lock of a folder for this process, from a dead holder if need be.
 *
 * Of simultaneous calls, in one process or in many, exactly one succeeds.
 *
 * @throws EmbeddedPostgresError `ERR_DATA_DIR_IN_USE` when a live process holds it; nothing was changed
 */
export async function lockFolder (folder: string): Promise<FolderLock> {
  const mine = await ownText()
  const draft = join(folder, `${LOCK}.new-${randomBytes(8).toString('hex')}`)
  await writeFile(draft, mine, { flag: 'wx', mode: 0o600 })
  try {
    await acquire(folder, draft, mine)
  } finally {
    await rm(draft, { force: true })
  }
  return { release: async () => { if (await readIfThere(join(folder, LOCK)) === mine) await rm(join(folder, LOCK), { force: true }) } }
}

async function acquire (folder: string, draft: string, mine: string): Promise<void> {
  for (;;) {
    const holder = await effectiveHolder(folder)
    const target = holder === null ? join(folder, LOCK) : claimOn(folder, holder)
    if (holder !== null) await refuseIfAlive(folder, holder)
    if (!await linkIfFree(draft, target)) continue // another starter was faster: look again who holds it now
    if (holder === null) return
    if (await effectiveHolder(folder) === mine) {
      await rename(draft, join(folder, LOCK))
      return await removeClaims(folder)
    }
    await rm(target, { force: true }) // the stale lock was already taken over, and this claim came too late
  }
}

/** The text of the lock that counts: that of the last claim on the lock file; `null` when the folder is free. */
async function effectiveHolder (folder: string): Promise<string | null> {
  let holder = await readIfThere(join(folder, LOCK))
  for (let next = holder; next !== null; next = await readIfThere(claimOn(folder, next))) holder = next
  return holder
}

async function refuseIfAlive (folder: string, holder: string): Promise<void> {
  const [pid = '', startTime = ''] = holder.split('\n')
  if (!await isRunning({ pid: Number(pid), startTime: startTime === '' ? null : startTime })) return
  throw new EmbeddedPostgresError('ERR_DATA_DIR_IN_USE',
    `the data folder ${folder} is in use by another service (pid ${pid}): stop that one, or set DATA_DIR to another folder`)
}

async function linkIfFree (from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Only for the holder: while it lives, no claim of anyone can count. */
async function removeClaims (folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(CLAIM)) await rm(join(folder, name), { force: true })
  }
}

const claimOn = (folder: string, holder: string): string =>
  join(folder, CLAIM + createHash('sha256').update(holder).digest('hex').slice(0, 32))

/** Pid, start time and a random line, so that no two locks have the same text. */
async function ownText (): Promise<string> {
  const self = await findProcess(process.pid)
  return `${process.pid}\n${self?.startTime ?? ''}\n${randomBytes(16).toString('hex')}\n`
}
