/**
 * Programs and transcripts of the documentation, run as they stand.
 *
 * A fenced block is found by the comment before it: `<!-- name -->`. A transcript is a block of commands after `$ `, each
 * with the lines that it prints.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

export const ROOT = join(import.meta.dirname, '../..')

/** A command with the lines it is said to print. */
export interface Entry { readonly command: string, readonly output: string }

export interface Document {
  readonly text: string
  /** The fenced block that follows a marker. */
  block (marker: string): string
  transcript (marker: string): Entry[]
}

/** @param path below the root of the project */
export function readDocument (path: string): Document {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const block = (marker: string): string => {
    const found = new RegExp(`<!-- ${marker} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\\n\`\`\``).exec(text)?.[1]
    if (found === undefined) throw new Error(`${path} has no block "${marker}"`)
    return found
  }
  const transcript = (marker: string): Entry[] => block(marker).split(/^\$ /m).slice(1).map((entry) => {
    const [command = '', ...output] = entry.trimEnd().split('\n')
    return { command, output: output.join('\n') }
  })
  return { text, block, transcript }
}

/** What each of the commands prints, one after the other in one shell. */
export async function runCommands (commands: readonly string[], { cwd, env }: { cwd: string, env?: NodeJS.ProcessEnv }): Promise<string[]> {
  const end = randomBytes(8).toString('hex')
  const child = spawn('bash', [], { cwd, stdio: ['pipe', 'pipe', 'inherit'], ...(env !== undefined && { env }) })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  child.stdin.end(commands.map((command) => `${command}\nprintf '%s' ${end}\n`).join(''))
  await once(child, 'close')
  return output.replaceAll('\r', '').split(end).map((text) => text.trim())
}

/** A word that ends in "…" stands for one that differs from run to run. */
const pattern = (output: string): RegExp => new RegExp(`^${output.split(/[^"=; ]*…/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^"; ]+')}$`)

/** Runs a transcript against another port than its own 3000, and compares what is printed. */
export async function followTranscript (t: Test, entries: readonly Entry[], { cwd, port }: { cwd: string, port: number }): Promise<void> {
  const here = (text: string): string => text.replaceAll('localhost:3000', `localhost:${port}`)
  const printed = await runCommands(entries.map(({ command }) => here(command)), { cwd })
  for (const [index, { command, output }] of entries.entries()) t.match(printed[index], pattern(here(output)), command)
}

/** A program that answers. */
export interface Program {
  /** Ends it by SIGTERM; resolves to its exit code, `null` when the signal ended it. */
  stop (): Promise<number | null>
}

/** Starts a program of Node.js and waits until it answers. Stopped after the test. */
export async function startProgram (t: Test, { args, cwd, env, port }: { args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, port: number }): Promise<Program> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString() })
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
    return child.exitCode
  }
  t.teardown(stop)
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the program ended: ${errors}`)
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    await answer?.arrayBuffer()
    // programs of the documentation have no such route: that they answer is enough
    if (answer !== null && answer.status !== 503) return { stop }
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
}

/** Node's own environment and nothing of the test's. */
export const bareEnvironment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], HOME: process.env['HOME'] })
