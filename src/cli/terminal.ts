import type { Writable } from 'node:stream'
import { isUuid } from '../core/uuid.js'

/** Where a command writes what is for eyes alone: a terminal, or a file. */
export type Screen = Writable & { readonly isTTY?: boolean, readonly columns?: number }

/** What a command works with. */
export interface Terminal {
  readonly env: NodeJS.ProcessEnv
  /** For what was asked for. */
  readonly out: Writable
  /** For progress, and for what went wrong. */
  readonly err: Screen
  /** Says with what the program ends. Default: `EXIT.done`. */
  leave (code: ExitCode): void
}

export const EXIT = { done: 0, failed: 1, usage: 2, wrong: 3 } as const
export type ExitCode = typeof EXIT[keyof typeof EXIT]

/** Ends a command with one line. */
export class CommandError extends Error {
  readonly exitCode: ExitCode
  override get name (): string { return 'CommandError' }
  constructor (exitCode: ExitCode, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Whoever runs the command has stopped it. */
export class InterruptedError extends CommandError {
  override get name (): string { return 'InterruptedError' }
  constructor () {
    super(EXIT.failed, 'stopped')
  }
}

/** For the help. */
export const EXAMPLE_ID = '6f9d2c4a-1b7e-4c55-8f0a-2d3e4f5a6b7c'

/** The id of a session as it was typed. @throws CommandError for what can be none */
export function toSessionId (text: string): string {
  const id = text.toLowerCase()
  if (!isUuid(id)) throw new CommandError(EXIT.usage, 'the id of a session is a UUID: see silverback sessions list')
  return id
}

/** What stands in the database may hold sequences that drive a terminal. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\u{fffd}')

export function print (stream: Writable, ...lines: readonly string[]): void {
  for (const line of lines) stream.write(`${line}\n`)
}

export const printJson = (stream: Writable, value: unknown): void => { print(stream, JSON.stringify(value, null, 2)) }

/** To the minute, UTC. */
export const toMinute = (date: Date): string => Number.isNaN(date.getTime()) ? '-' : `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`

/** A row of a table whose columns have these widths; what is longer pushes the rest on. */
export const toColumns = (cells: readonly string[], widths: readonly number[]): string =>
  cells.map((cell, column) => printable(cell).padEnd(widths[column] ?? 0)).join('  ').trimEnd()

export const inThousands = (count: number): string => count.toLocaleString('en')
