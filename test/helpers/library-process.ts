import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** An answer, with the session cookie that it sets. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
  /** The new cookie value; '' when it is cleared; `null`: not touched. */
  readonly cookie: string | null
}

/** A process of its own that runs `test/fixtures/library-app.mjs`. */
export interface LibraryProcess {
  send (method: string, path: string, cookie: string | null, body?: object): Promise<Answer>
}

/** Starts the application and waits until it listens; ends it after the test. */
export async function openLibraryProcess (t: Test, env: Record<string, string>): Promise<LibraryProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../fixtures/library-app.mjs')], {
    env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit')
  })
  const [port] = await once(createInterface({ input: child.stdout }), 'line')
  const origin = `http://127.0.0.1:${String(port)}`
  return {
    async send (method, path, cookie, body) {
      const response = await fetch(origin + path, {
        method,
        headers: { ...(cookie !== null && { cookie: `sid=${cookie}` }), ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) })
      })
      const setCookie = response.headers.getSetCookie().find((line) => line.startsWith('sid='))
      return {
        status: response.status,
        headers: response.headers,
        body: await response.json(),
        cookie: setCookie === undefined ? null : setCookie.slice('sid='.length, setCookie.indexOf(';'))
      }
    }
  }
}
