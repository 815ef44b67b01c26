/** The service as it is started for real: `node dist/service/main.js`. */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

const ROOT = join(import.meta.dirname, '../..')
const STARTS = 'silverback runs at '

export interface ServiceProcess {
  readonly child: ChildProcess
  /** Where it listens. */
  readonly url: string
  /** What it has written so far. */
  readonly output: () => string
  /** Its exit code; `null`: ended by a signal. */
  readonly exited: Promise<number | null>
}

/** A program that has ended. */
export interface Ended { readonly code: number | null, readonly output: string }

/** Starts the service on a free port and waits until it listens. Killed after the test, should it still run. */
export async function startProcess (t: Test, env: NodeJS.ProcessEnv, entry?: string, args?: readonly string[]): Promise<ServiceProcess> {
  const { child, output, exited, line } = await run(t, env, entry, args)
  const url = await Promise.race([line(STARTS), exited.then((code) => { throw new Error(`ended with ${code}: ${output()}`) })])
  return { child, url, output, exited }
}

/** Runs a program of the build until it ends. */
export async function runToEnd (t: Test, env: NodeJS.ProcessEnv, entry?: string, args?: readonly string[]): Promise<Ended> {
  const { exited, output } = await run(t, env, entry, args)
  return { code: await exited, output: output() }
}

async function run (t: Test, env: NodeJS.ProcessEnv, entry = 'service/main.js', args: readonly string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'silverback-service-'))
  const child = spawn(process.execPath, [join(ROOT, 'dist', entry), ...args], {
    cwd: folder, // so that nothing is written into the checkout
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  const lines = createInterface(child.stdout)
  const exited = once(child, 'close').then(([code]: unknown[]) => typeof code === 'number' ? code : null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const line = async (start: string): Promise<string> => await new Promise((resolve) => {
    lines.on('line', (json) => {
      const message = messageOf(json)
      if (message.startsWith(start)) resolve(message.slice(start.length))
    })
  })
  return { child, exited, output: () => text, line }
}

function messageOf (json: string): string {
  const line: unknown = json.startsWith('{') ? JSON.parse(json) : null
  return typeof line === 'object' && line !== null && 'msg' in line ? String(line.msg) : ''
}

/** Asks again until the answer has this status; the test's own timeout ends it. */
export async function untilStatus (url: string, status: number): Promise<Response> {
  for (;;) {
    const answer = await fetch(url).catch(() => null)
    if (answer?.status === status) return answer
    await answer?.arrayBuffer()
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
}
