/** A TCP proxy in front of PostgreSQL that can freeze, so that connections stay open and no byte passes, and cut them. */

import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'

export interface FaultyProxy {
  /** Leads through the proxy. */
  readonly connectionString: string
  freeze (): void
  thaw (): void
  /** Cuts each connection that is open now, but only when it is next used: nobody can notice before. */
  doom (): void
  /** Connections that were made through it so far. */
  readonly connections: number
}

/** In front of the server that the connection string names by host and port. Stopped after the test. */
export async function faultyProxy (t: Test, connectionString: string): Promise<FaultyProxy> {
  const target = new URL(connectionString)
  const sockets = new Set<net.Socket>()
  const doomed = new WeakSet<net.Socket>()
  let frozen = false
  let connections = 0
  const server = net.createServer((down) => {
    connections++
    const up = net.connect(Number(target.port), target.hostname)
    for (const [from, to] of [[down, up], [up, down]] as const) {
      sockets.add(from)
      from.on('data', (bytes) => {
        if (doomed.has(from)) down.destroy()
        else to.write(bytes)
      })
      from.on('close', () => { if (!frozen) to.destroy() })
      from.on('error', () => {})
      if (frozen) from.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    connectionString: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(address.port) }).href,
    freeze () {
      frozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw () {
      frozen = false
      for (const socket of sockets) socket.resume()
    },
    doom () {
      for (const socket of sockets) doomed.add(socket)
    },
    get connections () { return connections }
  }
}
