import { once } from 'node:events'
import { createServer, request as ask } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Test } from 'tap'

interface Answered { readonly status: number, readonly headers: IncomingHttpHeaders, readonly body: Buffer }

/** One request that has arrived at the proxy. The test says what becomes of it. */
export class HeldRequest {
  readonly path: string
  readonly #request: IncomingMessage
  readonly #body: Buffer
  readonly #response: ServerResponse
  #answer: Answered | undefined

  constructor (request: IncomingMessage, body: Buffer, response: ServerResponse) {
    this.path = request.url ?? ''
    this.#request = request
    this.#body = body
    this.#response = response
  }

  /** The value of a cookie that it carries; '' for none. */
  cookie (name: string): string {
    return this.#request.headers.cookie?.split('; ').find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
  }

  /** Hands it to a service. Resolves when that has answered, which the client does not know yet. */
  async forward (url: string): Promise<Answered> {
    const passed = ask(new URL(this.path, url), { method: this.#request.method, headers: this.#request.headers })
    passed.end(this.#body)
    const [answer]: IncomingMessage[] = await once(passed, 'response')
    if (answer === undefined) throw new Error('no answer')
    this.#answer = { status: answer.statusCode ?? 0, headers: answer.headers, body: await bodyOf(answer) }
    return this.#answer
  }

  /** Gives the client the answer. */
  answer (): void {
    this.#head().end(this.#answer?.body)
  }

  /** The same, but the connection is cut within the body. */
  tear (): void {
    const response = this.#head()
    response.write(this.#answer?.body.subarray(0, 1), () => { response.destroy() })
  }

  /** Cuts the connection: the client gets no answer, whether there is one or not. */
  cut (): void {
    this.#response.destroy()
  }

  /** A browser repeats by itself what was lost on a connection that it has used before: each has one request. */
  #head (): ServerResponse {
    if (this.#answer === undefined) throw new Error('there is no answer yet')
    const { status, headers, body } = this.#answer
    const { connection, 'keep-alive': keepAlive, 'transfer-encoding': encoding, ...rest } = headers
    return this.#response.writeHead(status, { ...rest, 'content-length': body.length, connection: 'close' })
  }
}

export interface HeldProxy {
  /** Where clients find it. */
  readonly url: string
  /** The requests that have arrived since the last call. */
  take (): HeldRequest[]
  /** Called when one has arrived. Default: nothing happens. */
  onArrival: () => void
}

/**
 * A proxy before a service that holds requests to some paths. It answers those to `pages` itself, by path, with a text
 * and its type; all others pass.
 */
export async function openHeldProxy (t: Test, { service, holds, pages }: { service: string, holds: readonly string[], pages: Readonly<Record<string, readonly [type: string, text: string]>> }): Promise<HeldProxy> {
  const arrived: HeldRequest[] = []
  const proxy = { url: '', take: () => arrived.splice(0), onArrival: () => {} }
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const held = new HeldRequest(request, await bodyOf(request), response)
    const page = pages[held.path]
    if (page !== undefined) response.writeHead(200, { 'content-type': page[0], connection: 'close' }).end(page[1])
    else if (holds.includes(held.path)) {
      arrived.push(held)
      proxy.onArrival()
    } else {
      await held.forward(service)
      held.answer()
    }
  }
  const server = createServer((request, response) => { receive(request, response).catch(() => { response.destroy() }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy.url = `http://localhost:${address.port}`
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => { server.close(resolve) })
  })
  return proxy
}

async function bodyOf (message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}
