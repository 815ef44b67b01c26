/** The command line as it is run for real: `node dist/cli/silverback.js`. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export const PROGRAM = join(import.meta.dirname, '../../dist/cli/silverback.js')

/** A command that has ended. */
export interface Ended { readonly code: number | null, readonly out: string, readonly err: string }

/** Runs a command in a folder of its own, with these variables alone, until it ends. */
export async function silverback (t: Test, env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Ended> {
  return await runProgram(t, env, process.execPath, PROGRAM, ...args)
}

/** The same for any program. */
export async function runProgram (t: Test, env: NodeJS.ProcessEnv, program: string, ...args: readonly string[]): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'silverback-cli-'))
  const child = spawn(program, args, { cwd: folder, env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { text.out += chunk })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text.err += chunk })
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await closed
    await rm(folder, { recursive: true, force: true })
  })
  const [code]: unknown[] = await closed
  return { code: typeof code === 'number' ? code : null, ...text }
}
