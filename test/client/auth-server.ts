/** A server whose auth routes answer as a test says. What a browser sends is noted. */

import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface Answer {
  readonly status: number
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  /** Is awaited before the answer is sent. */
  readonly after?: Promise<unknown>
  /** There is none: the connection is cut. */
  readonly isCut?: true
}

export interface Received { readonly method: string, readonly path: string, readonly cookie: string, readonly origin: string | undefined, readonly body: string }

const PAGES: Readonly<Record<string, string>> = {
  '/': '<!doctype html><title>a page</title><link rel="icon" href="data:,">',
  '/client.js': await readFile(join(import.meta.dirname, '../../dist/client/index.js'), 'utf8')
}

export const fresh = (expiresIn = 900): Answer => ({ status: 200, body: { token_type: 'Bearer', expires_in: expiresIn } })
export const refused = (code: string, status = 401): Answer => ({ status, body: { status, code, error: 'invalid_grant' } })

export class AuthServer {
  readonly received: Received[] = []
  /** What `/auth/refresh` answers with; with tokens it gives an access cookie that `/api` takes. */
  refresh: Answer | ((count: number) => Answer) = fresh()
  logout: Answer = { status: 204 }
  login: Answer = { status: 200, body: { expires_in: 900 } }
  /** The access cookie that `/api` takes; counts up with each refresh. */
  access = 0
  /** The origin that may send credentials from elsewhere. */
  trusted: string | null = null
  readonly #server = createServer((request, response) => { void this.#answer(request, response) })

  async listen (t: Test): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    t.teardown(async () => {
      this.#server.closeAllConnections()
      await new Promise((resolve) => this.#server.close(resolve))
    })
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  /** The requests to a path. */
  to (path: string): Received[] { return this.received.filter((one) => one.path === path) }

  /** Nobody's access cookie is taken any more. */
  expire (): void { this.access++ }

  async #answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request
    if (this.trusted !== null) {
      response.setHeader('access-control-allow-origin', this.trusted).setHeader('access-control-allow-credentials', 'true')
        .setHeader('access-control-allow-headers', 'content-type').setHeader('access-control-expose-headers', 'retry-after')
    }
    const page = method === 'OPTIONS' ? '' : PAGES[path]
    if (page !== undefined) {
      response.writeHead(200, { 'content-type': path === '/' ? 'text/html' : 'text/javascript' }).end(page)
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    this.received.push({ method, path, cookie: headers.cookie ?? '', origin: headers.origin, body: Buffer.concat(chunks).toString() })
    if (path === '/auth/refresh') return await this.#send(response, typeof this.refresh === 'function' ? this.refresh(this.to(path).length) : this.refresh, true)
    if (path === '/auth/logout') return await this.#send(response, this.logout)
    if (path === '/auth/login') return await this.#send(response, this.login, true)
    const isTaken = headers.cookie?.includes(`at=${this.access};`) || headers.cookie?.endsWith(`at=${this.access}`)
    await this.#send(response, isTaken ? { status: 200, body: { is: 'yours' } } : refused('ERR_UNAUTHENTICATED'))
  }

  async #send (response: ServerResponse, { status, body, headers = {}, after, isCut }: Answer, givesAccess = false): Promise<void> {
    await after
    if (isCut) {
      response.destroy()
      return
    }
    if (givesAccess && body !== undefined && 'expires_in' in body) response.setHeader('set-cookie', `at=${++this.access}; Path=/; HttpOnly; SameSite=Lax`)
    response.writeHead(status, { ...(body && { 'content-type': 'application/json' }), ...headers }).end(body && JSON.stringify(body))
  }
}
